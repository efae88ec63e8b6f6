// What the phone keeps: the sheet, what waits to be sent, the positions, and how far the driver is. IndexedDB survives everything but the user.
const NAME = "busload-driver";
const SHELF = "kept";
const QUEUE = "queue";

function finished(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

function opened() {
  const request = indexedDB.open(NAME, 1);
  request.onupgradeneeded = () => {
    request.result.createObjectStore(SHELF);
    request.result.createObjectStore(QUEUE, { keyPath: "order", autoIncrement: true }).createIndex("link", "link");
  };
  return finished(request);
}

// One link's part of the store; links on the same phone do not see each other's.
export async function openStore(link) {
  const database = await opened();
  const shelf = (mode) => database.transaction(SHELF, mode).objectStore(SHELF);
  const queue = (mode) => database.transaction(QUEUE, mode).objectStore(QUEUE);
  return {
    keep: (what, value) => finished(shelf("readwrite").put(value, `${link}/${what}`)),
    kept: (what) => finished(shelf("readonly").get(`${link}/${what}`)),
    add: (item) => finished(queue("readwrite").add({ ...item, link })),
    waiting: () => finished(queue("readonly").index("link").getAll(link)),
    async drop(items) {
      const transaction = database.transaction(QUEUE, "readwrite");
      for (const item of items) transaction.objectStore(QUEUE).delete(item.order);
      await new Promise((resolve, reject) => {
        transaction.oncomplete = resolve;
        transaction.onerror = () => reject(transaction.error);
      });
    },
    async forget() {
      const keys = await finished(shelf("readonly").getAllKeys());
      for (const key of keys) if (key.startsWith(`${link}/`)) await finished(shelf("readwrite").delete(key));
      await this.drop(await this.waiting());
    },
  };
}
