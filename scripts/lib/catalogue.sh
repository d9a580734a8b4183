# shellcheck shell=bash
# The demo catalogue of "make run", and what to try with it.

# put_sku URL TOKEN CODE JSON creates a SKU, unless it is there: a second start must not reset stock.
put_sku() {
  local status
  status=$(local_curl -o /dev/null -w '%{http_code}' -H "Authorization: Bearer $2" "$1/v1/skus/$3")
  if [[ $status == 200 ]]; then return; fi
  [[ $status == 404 ]] || die "GET /v1/skus/$3 answered $status"
  local_curl --fail -o /dev/null -X PUT -H "Authorization: Bearer $2" \
    -H 'Content-Type: application/json' -d "$4" "$1/v1/skus/$3" || die "cannot create the SKU $3"
}

load_catalogue() {
  put_sku "$1" "$2" mug-blue '{"name":"Blue mug","price_won":12000,"on_hand":100}'
  put_sku "$1" "$2" tee-black-m \
    '{"name":"Black T-shirt, M","price_won":29000,"on_hand":50,"discount_ratio":0.1}'
  put_sku "$1" "$2" poster-a2 '{"name":"Poster, A2","price_won":8000,"on_hand":500}'
  put_sku "$1" "$2" vinyl-first-press \
    '{"name":"First pressing","price_won":45000,"on_hand":1,"max_per_customer":1}'
}

show_what_next() {
  if [[ -n ${HOLDFAST_RUN_QUIET:-} ]]; then return; fi
  cat <<TEXT

Holdfast is up at $1 and stays up until Ctrl-C. The logs are .run/api.log and
.run/workers.log. To try it, paste these lines into another terminal:

cd $(printf '%q' "$ROOT")
set -a; . .run/env; set +a
TEXT
  # What follows is for the reader's shell to expand, not for ours.
  cat <<'TEXT'
alice() { curl -sS -H "Authorization: Bearer $HOLDFAST_SHOP_TOKEN" -H 'Holdfast-Customer: alice' -H 'Content-Type: application/json' -H 'Prefer: wait=5' "$@"; echo; }

# Hold two mugs for 20 minutes:
ANSWER=$(alice -H "Idempotency-Key: order-$(date +%s%N)" -d '{"items":[{"sku":"mug-blue","quantity":2}]}' "$HOLDFAST_URL/v1/orders"); echo "$ANSWER"
ORDER=$(printf '%s' "$ANSWER" | sed -n 's/^[^{]*{[^{]*"id" *: *"\([^"]*\)".*/\1/p')

# Charge the wallet, pay the order with it, and look at it:
alice -H "Idempotency-Key: charge-$(date +%s%N)" -d '{"amount_won":50000}' "$HOLDFAST_URL/v1/wallet/charges"
alice -H "Idempotency-Key: pay-$ORDER" -d '{"method":"wallet"}' "$HOLDFAST_URL/v1/orders/$ORDER/payments"
alice "$HOLDFAST_URL/v1/orders/$ORDER"

TEXT
  cat <<TEXT
# See it as its operators do: open $1/ops in a browser and sign in with this token:
echo "\$HOLDFAST_OPERATOR_TOKEN"

# Check that no unit and no won is lost, or watch the whole story:
$(printf '%q' "${2#"$ROOT/"}/holdfast") audit
make demo
TEXT
}
