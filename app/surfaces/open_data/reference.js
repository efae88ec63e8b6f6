// Draws the API reference into #reference. Nothing is sent anywhere but to this origin; no stored authorisation.
const holder = document.getElementById("reference");
window.SwaggerUIBundle({
  url: holder.dataset.schema,
  domNode: holder,
  deepLinking: true,
  docExpansion: "none",
  defaultModelsExpandDepth: 0,
  persistAuthorization: false,
  validatorUrl: null,
  requestSnippetsEnabled: false,
});
