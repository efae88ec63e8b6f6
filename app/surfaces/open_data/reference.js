// Draws the API reference into #reference. Nothing is sent anywhere but to this origin; no stored authorisation.
// Our page has its one main landmark already, and every field its name.
function tidy() {
  for (const main of holder.querySelectorAll("main")) main.setAttribute("role", "presentation");
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
