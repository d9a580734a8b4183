// Opens the window of Toss Payments, which sends the buyer back to one of two pages of ours.
(() => {
  const button = document.getElementById("toss");
  if (!button) return;
  if (typeof TossPayments === "undefined") {
    document.getElementById("toss-failed").hidden = false;
    button.disabled = true;
    return;
  }
  const { clientKey, orderId, orderName, amount, successUrl, failUrl } = button.dataset;
  const open = () => {
    const payment = TossPayments(clientKey).payment({ customerKey: TossPayments.ANONYMOUS });
    payment.requestPayment({
      method: "CARD",
      amount: { currency: "KRW", value: Number(amount) },
      orderId, orderName, successUrl, failUrl,
    }).catch((error) => { location.href = `${failUrl}?code=${encodeURIComponent(error.code || "")}`; });
  };
  button.addEventListener("click", open);
  open();
})();
