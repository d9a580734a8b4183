# shellcheck shell=bash
# The demo catalogue of "make run", and what to try with it.

# has_product URL TOKEN PRODUCT tells whether the shop has a product, archived or not.
has_product() {
  local status
  status=$(local_curl -o /dev/null -w '%{http_code}' -H "Authorization: Bearer $2" "$1/v1/products/$3")
  case $status in
    200) return 0 ;;
    404) return 1 ;;
    *) die "GET /v1/products/$3 answered $status" ;;
  esac
}

# load_catalogue URL TOKEN imports the demo's products that the shop does not have. What it has stays as somebody left it: a
# second start must neither sell a limited sale anew nor take back what was changed by hand.
load_catalogue() {
  local line product sale_from new=''
  sale_from=$(date -u -d '1 minute' +%Y-%m-%dT%H:%M:%SZ)
  while IFS= read -r line; do
    # Each line begins with the product's code.
    product=${line#'{"product":"'}
    product=${product%%'"'*}
    has_product "$1" "$2" "$product" || new+=${line//@SALE_FROM@/"$sale_from"}$'\n'
  done <"$ROOT/demo/shop/products.jsonl"
  [[ -n $new ]] || return 0
  step "Filling the shop with the demo's goods"
  printf '%s' "$new" >"$RUN_DIR/catalogue.jsonl"
  # A SKU that somebody has put into a product of their own spoils the demo's product, and is no reason to stay down.
  if HOLDFAST_URL=$1 HOLDFAST_TOKEN=$2 "$BIN/holdfast" catalogue import "$RUN_DIR/catalogue.jsonl" --skip-bad \
    >>"$RUN_DIR/setup.log" 2>&1; then
    step_done "done"
  else
    step_done "not all of them, see $RUN_DIR/setup.log"
  fi
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
# Buy something as a buyer does: open $1/shop in a browser; it mails a link to sign in with, which this shows:
make mail

# See it as its operators do: open $1/ops in a browser and sign in with this token:
echo "\$HOLDFAST_OPERATOR_TOKEN"

# Check that no unit and no won is lost, or watch the whole story:
$(printf '%q' "${2#"$ROOT/"}/holdfast") audit
make demo
TEXT
}
