// Runs before the first paint, so that a chosen theme does not flash in the other one. No choice: the system's.
(() => {
  try {
    const chosen = localStorage.getItem("sbc-sim-theme");
    if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
  } catch {
    // storage is switched off: the system's theme it is
  }
})();
