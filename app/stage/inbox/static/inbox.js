// Times in the reader's own zone, and a quiet word when new mail has come.
const POLL_MS = 2000;
const SHORT = { day: "2-digit", month: "short", hour: "2-digit", minute: "2-digit" };

document.querySelectorAll("time[datetime]").forEach((time) => {
  time.textContent = new Date(time.dateTime).toLocaleString([], SHORT);
});

const news = document.querySelector("[data-newest]");

async function lookForNews() {
  const answer = await fetch("/api/newest").catch(() => null);
  const newest = answer?.ok ? (await answer.json().catch(() => ({}))).id : 0;
  if (newest > Number(news.dataset.newest)) {
    // At the top nobody is reading further down: show it at once.
    if (window.scrollY < 40) location.reload();
    else news.hidden = false;
  }
}

if (news) setInterval(() => document.hidden || lookForNews(), POLL_MS);
