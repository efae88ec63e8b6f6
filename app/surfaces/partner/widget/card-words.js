// What the card says, in four languages, and how it writes money and dates.
const ZERO_DECIMAL = "BIF CLP DJF GNF JPY KMF KRW MGA PYG RWF UGX VND VUV XAF XOF XPF";

const WORDS = {
  en: {
    of: (n, goal) => `${n} of ${goal}`,
    togo: (n) => `${n} to go`,
    left: (n) => (n ? `${n} ${n === 1 ? "place" : "places"} left` : "full"),
    by: (date) => `Decides ${date}`,
    pledge: "Pledge a seat",
    see: "See the trip",
    promise: "You pay only if your bus runs.",
    none: "No trips yet. See the event page for news.",
    thanks: (origin) => `Thank you: your seat from ${origin} is pledged.`,
    state: { confirmed: "Confirmed", departed: "On the road", completed: "Completed", expired: "Did not run", cancelled: "Cancelled" },
  },
  de: {
    of: (n, goal) => `${n} von ${goal}`,
    togo: (n) => (n === 1 ? "noch 1 fehlt" : `noch ${n} fehlen`),
    left: (n) => (n ? `noch ${n} ${n === 1 ? "Platz" : "Plätze"}` : "voll"),
    by: (date) => `Entscheidung ${date}`,
    pledge: "Platz zusagen",
    see: "Zur Fahrt",
    promise: "Sie zahlen nur, wenn Ihr Bus fährt.",
    none: "Noch keine Fahrten. Neues steht auf der Veranstaltungsseite.",
    thanks: (origin) => `Danke: Ihr Platz ab ${origin} ist zugesagt.`,
    state: { confirmed: "Bestätigt", departed: "Unterwegs", completed: "Beendet", expired: "Fährt nicht", cancelled: "Abgesagt" },
  },
  fr: {
    of: (n, goal) => `${n} sur ${goal}`,
    togo: (n) => `encore ${n}`,
    left: (n) => (n ? `${n} ${n === 1 ? "place restante" : "places restantes"}` : "complet"),
    by: (date) => `Décision ${date}`,
    pledge: "Réserver",
    see: "Voir le trajet",
    promise: "Vous ne payez que si votre car part.",
    none: "Pas encore de trajet. Voir la page de l’événement.",
    thanks: (origin) => `Merci : votre place depuis ${origin} est promise.`,
    state: { confirmed: "Confirmé", departed: "En route", completed: "Terminé", expired: "Ne part pas", cancelled: "Annulé" },
  },
  es: {
    of: (n, goal) => `${n} de ${goal}`,
    togo: (n) => (n === 1 ? "falta 1" : `faltan ${n}`),
    left: (n) => (n ? `${n === 1 ? "queda 1 plaza" : `quedan ${n} plazas`}` : "completo"),
    by: (date) => `Se decide ${date}`,
    pledge: "Reservar",
    see: "Ver el viaje",
    promise: "Solo paga si su autobús sale.",
    none: "Aún no hay viajes. Consulte la página del evento.",
    thanks: (origin) => `Gracias: su plaza desde ${origin} está prometida.`,
    state: { confirmed: "Confirmado", departed: "En camino", completed: "Terminado", expired: "No sale", cancelled: "Cancelado" },
  },
};

/** The words for a language tag: its language if we have it, else English. */
export function words(lang) {
  const name = lang.split("-")[0];
  return WORDS[name] ? { lang: name, ...WORDS[name] } : { lang: "en", ...WORDS.en };
}

export function money(lang, minor, currency) {
  const digits = ZERO_DECIMAL.includes(currency) ? 0 : 2;
  const whole = minor % 10 ** digits === 0;
  const shown = { style: "currency", currency, minimumFractionDigits: whole ? 0 : digits, maximumFractionDigits: digits };
  return new Intl.NumberFormat(lang, shown).format(minor / 10 ** digits);
}

/** A function that writes a moment on the clock of a zone: its day, or day and time. */
export function dates(lang, timeZone) {
  const day = { weekday: "short", day: "numeric", month: "short", timeZone };
  const time = { ...day, hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
  return (moment, timed) => new Intl.DateTimeFormat(lang, timed ? time : day).format(new Date(moment));
}
