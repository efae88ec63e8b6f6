// The camera as a pass reader. The library uses the phone's own detector where there is one, a worker of its own elsewhere.
const LIBRARY = "/static/vendor/qr-scanner/1.4.2/qr-scanner.min.js";
const SAME_AGAIN_MS = 4000;

// Starts the camera in `video`; `onText` gets each code once, again only after a while. Returns a function that stops.
export async function startScanner(video, onText) {
  const { default: QrScanner } = await import(LIBRARY);
  let last = { text: "", at: 0 };
  const scanner = new QrScanner(
    video,
    ({ data }) => {
      if (data === last.text && Date.now() - last.at < SAME_AGAIN_MS) return;
      last = { text: data, at: Date.now() };
      onText(data);
    },
    { returnDetailedScanResult: true, preferredCamera: "environment", maxScansPerSecond: 12, onDecodeError: () => {} },
  );
  await scanner.start();
  return () => {
    scanner.stop();
    scanner.destroy();
  };
}
