// The API's description, read with Swagger UI: from our own origin, without its online validator.
document.querySelectorAll("[data-api-docs]").forEach((node) => {
  window.SwaggerUIBundle({
    url: node.dataset.apiDocs,
    domNode: node,
    deepLinking: true,
    docExpansion: "list",
    defaultModelsExpandDepth: 0,
    validatorUrl: null,
    onComplete: () => (node.dataset.shown = ""),
  });
});
