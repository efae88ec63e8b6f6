// Draws the API reference into #reference. Nothing is sent anywhere but to this origin; no stored authorisation.
// Every field has its name. (Swagger's second main landmark stays: no role may stand in for it.)
function tidy() {
  for (const servers of holder.querySelectorAll("#servers")) servers.setAttribute("aria-label", "Server");
}

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
  onComplete: tidy,
});
