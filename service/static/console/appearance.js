// Before the first paint: the theme and direction that were chosen on this device. Classic, so that it blocks.
(function () {
  var root = document.documentElement;
  try {
    var theme = localStorage.getItem("charge-shop.theme");
    var direction = localStorage.getItem("charge-shop.direction");
    if (theme === "light" || theme === "dark") root.dataset.theme = theme;
    if (direction === "rtl") root.dir = "rtl";
  } catch (_) {
    // Storage is refused: the device's own theme stays.
  }
})();
