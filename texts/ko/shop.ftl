amount = { $what }원

# Around every page
skip = 본문으로 건너뛰기
nav = 상점
cart = 장바구니
my-orders = 내 주문
wallet = 지갑
points = 포인트
sign-in = 로그인
sign-out = 로그아웃
stale = 새로 고치지 못했습니다. 화면의 내용이 최신이 아닐 수 있습니다.
drawn-at = { $what } 기준

# Products
products = 상품
search = 검색
sort = 정렬
sort-newest = 최신순
sort-name = 이름순
sort-price = 낮은 가격순
sort-price-down = 높은 가격순
categories = 카테고리
everything = 전체
nothing-found = 검색 결과가 없습니다.
more = 더 보기
from-price = { $what }부터
up-to = 최대 −{ $what }
opens-at = { $what } 판매 시작
opens-later = 판매 예정
not-sold = 지금은 판매하지 않습니다
sold-out = 품절
few-left = { $n }개 남음
in-stock = 구매 가능
choose = 선택
limit = 1인당 최대 { $n }개
units = 준비 수량 { $n }개
units-left = { $n }개 남음
at-least-left = { $n }개 이상 남음
quantity = 수량
put-in-cart = 장바구니에 담기
order-now = 바로 주문하기
join-line = 재입고 대기하기
queue-up = 미리 줄 서기
queue-hint = 판매가 시작되기 전에 미리 줄을 섭니다. 시작되면 줄 선 순서대로 확보되고, 결제 시간은 온전히 드립니다.
line-hint = 선착순입니다. 취소되거나 입고되는 대로 차례로 확보해 드립니다.
as-of = { $what } 재고 기준

# Cart and checkout
cart-empty = 장바구니가 비어 있습니다.
cart-holds-nothing = 장바구니에 담아도 재고가 확보되지는 않습니다. 주문할 때 확보됩니다.
to-products = 상품 보러 가기
item-gone = 더 이상 판매하지 않습니다. 삭제해 주세요.
only-left =
    { $n ->
        [0] 지금은 남아 있지 않습니다.
       *[other] 지금은 { $n }개만 남아 있습니다.
    }
new-price = 지금 가격은 { $what }입니다.
old-price = 담을 때는 { $what }이었습니다.
change = 변경
remove = 삭제
total = 합계
check-out = 주문하기
remove-first = 판매하지 않는 상품을 먼저 삭제해 주세요.
costs-now = 지금은 모두 { $what }입니다.
short-of = { $what }: { $n }개 남음
early-hint = 아직 판매가 시작되지 않은 상품이 있습니다. 시작될 때까지 줄을 섭니다.
wait-for-it = 재고가 부족하면 줄을 서서 기다리겠습니다
hold-hint = 주문하면 20분 동안 상품이 확보되고, 그동안 결제할 수 있습니다.
hold-it = 상품 확보하기
ordering-as = { $what } 님의 주문입니다.
order-under-way = 방금 주문했거나 줄을 서고 있는 상품이 있습니다.
to-the-order = 주문 보기
back-to-cart = 장바구니로

# An order
state-accepted = 잠시만 기다려 주세요 …
state-hint-accepted = 주문을 접수했고, 처리하고 있습니다.
state-waiting = 줄을 서고 있습니다
state-hint-waiting = 이 화면은 저절로 새로 고쳐집니다. 차례가 되면 결제 시간을 온전히 드립니다.
before-you =
    { $n ->
        [0] 다음 차례입니다
       *[other] 앞에 { $n }건이 있습니다
    }
more-before-you = 앞에 { $n }건 이상 있습니다
waits-until = 늦어도 { $what }까지 기다립니다.
state-held = 상품을 확보했습니다
left = 결제까지 { $what } 남음
held-until = { $what }까지 확보
state-paying = 은행에 확인하고 있습니다 …
state-hint-paying = 잠시만 기다려 주세요. 답이 오면 바로 보여 드립니다.
state-paid = 결제가 끝났습니다. 감사합니다!
state-hint-paid = 주문이 완료되었습니다.
state-partly_refunded = 일부 환불됨
state-hint-partly_refunded = 나머지 상품의 주문은 그대로입니다.
state-refunded = 환불됨
state-hint-refunded = 결제한 수단으로 돌려드렸습니다. 카드는 며칠 걸릴 수 있습니다.
state-refused = 주문할 수 없습니다
state-hint-refused = 확보된 상품도, 결제된 금액도 없습니다.
state-expired = 시간이 지났습니다
state-hint-expired = 상품 확보가 해제되었습니다. 늦게 결제된 금액이 있으면 저절로 돌려드립니다.
state-cancelled = 취소됨
state-hint-cancelled = 상품 확보가 해제되었고, 결제된 금액은 없습니다.
state-unknown = 잠시 후 다시 확인해 주세요.
refunded = { $what }을 돌려드렸습니다.
pay = 결제
from-wallet = 지갑에서 (잔액 { $what })
from-points = 포인트에서 (보유 { $what })
rest-by-card = 나머지는 카드로 결제합니다.
no-card-here = 카드를 쓸 수 없습니다. 지갑과 포인트로 모두 결제해야 합니다.
pay-amount = { $what } 결제하기
more-time = 10분 더 필요합니다
cancel = 취소하기
return-it = 반품하기
return-hint = 주문 전체가 반품되고, 결제한 금액은 모두 결제 수단으로 돌려드립니다.
return-all = 전체 반품하기
order-again = 다시 장바구니에 담기
story = 진행 내역
order-number = 주문 번호 { $what }
which-orders = 주문 종류
all-orders = 전체
waiting-orders = 대기 중
no-orders = 주문이 없습니다.
fact-order-held = 상품 확보
fact-order-waiting = 줄 서기 시작
fact-order-refused = 주문 불가
fact-order-extended = 결제 시간 연장
fact-order-expired = 시간 지남
fact-order-cancelled = 취소
fact-order-paid = 결제 완료
fact-order-refunded = 환불
fact-payment-declined = 결제 거절
fact-payment-late = 늦게 들어온 결제
fact-payment-returned = 늦은 결제 반환
fact-order-extension_refused = 시간 연장 불가
fact-refund-refused = 환불 불가
fact-unknown = 기록됨

# The window, wallet and charges
window-opens = { $what } 결제창이 열립니다.
window-needs-script = 결제창에는 자바스크립트가 필요합니다.
window-failed = 결제창을 불러오지 못했습니다. 돌아가서 다시 시도해 주세요.
back = 돌아가기
set-aside = { $what } 사용 중
wallet-of = { $what } 님의 지갑
wallet-charge = 지갑 충전
amount-in-won = 충전할 금액(원), 지갑은 최대 100,000원
charge-by-card = 카드로 충전
charge-open = 아직 결제되지 않았습니다
charge-paying = 은행에 확인하고 있습니다 …
charge-posted = 지갑에 충전되었습니다
charge-refused = 지갑 한도를 넘습니다
charge-declined = 카드가 거절되었습니다
charge-returning = 돈을 돌려드리는 중입니다
charge-returned = 돈을 돌려드렸습니다

# Signing in
sign-in-hint = 로그인 링크를 메일로 보내 드립니다. 비밀번호는 없습니다.
email = 이메일 주소
send-link = 링크 받기
send-again = 다시 보내기
link-sent = { $what }(으)로 링크를 보냈습니다.
link-hint = 15분 동안 한 번만 쓸 수 있습니다. 이 화면은 닫아도 됩니다.
confirm-hint = 버튼을 누르면 이 기기에서 로그인합니다.
confirm-sign-in = 로그인하기

# What the last form came to
told-put-in = 장바구니에 담았습니다.
told-cancelled = 취소했습니다.
told-extended = 결제 시간을 10분 늘렸습니다.
told-returned = 반품했습니다.
told-not-possible = 지금은 할 수 없습니다. 아래가 현재 주문 상태입니다.
told-too-much = 지갑과 포인트의 합이 주문 금액보다 많습니다.
told-no-card = 카드를 쓸 수 없습니다.
told-wallet-short = 지갑 잔액이 부족합니다.
told-points-short = 포인트가 부족합니다.
told-declined = 결제가 거절되었습니다. 아래가 현재 주문 상태입니다.
told-other-amount = 주문 금액과 다릅니다. 아래가 현재 주문 상태입니다.
told-other-order = 다른 주문의 결제입니다.
told-window-closed = 결제하기 전에 결제창을 닫았습니다. 아래가 현재 주문 상태입니다.
told-window-left = 결제창에서 돌아왔습니다. 아래가 현재 주문 상태입니다.
told-under-way = 처리하고 있습니다. 끝나면 이 화면에 나타납니다.
told-signed-out-here = 이 기기에서 로그아웃했습니다. 서버에는 알리지 못해, 세션은 기한이 되면 끝납니다.
told-card-failed = 카드가 거절되었다고 합니다. 아래가 현재 주문 상태입니다.
told-charge-paid = 충전 결제가 끝났습니다.
told-charge-declined = 카드가 거절되었습니다. 충전되지 않았습니다.
told-charge-not-possible = 더 이상 결제할 수 없는 충전입니다. 아래가 현재 상태입니다.
told-not-all-fits = 이전 장바구니를 다 옮기지 못했습니다.

# What was refused
refused = 처리하지 못했습니다
try-again = 다시 시도
wait-seconds = { $what }초 뒤에 다시 시도해 주세요.
refused-unknown = 잠시 후 다시 시도해 주세요. 계속되면 상점에 알려 주세요.
refused-not-found = 없는 페이지이거나 볼 수 없는 페이지입니다.
refused-foreign-page = 다른 사이트에서 온 요청이라 처리하지 않았습니다.
refused-bad-form = 빠졌거나 읽을 수 없는 항목이 있습니다.
refused-unprocessable = 맞지 않는 항목이 있습니다.
refused-out-of-stock = 재고가 부족합니다. 수량을 줄이거나 줄을 서서 기다릴 수 있습니다.
refused-off-sale = 지금은 판매하지 않습니다.
refused-price-changed = 가격이 바뀌었습니다. 다시 확인해 주세요.
refused-too-many-holds = 확보할 수 있는 주문 수를 넘었습니다. 먼저 결제하거나 취소해 주세요.
refused-too-many-units = 한 사람이 살 수 있는 수량을 넘었습니다.
refused-unknown-sku = 더 이상 없는 상품입니다.
refused-amount-too-large = 한 주문의 한도 금액을 넘었습니다.
refused-wait-ended = 기다리는 동안 차례가 오지 않았습니다.
refused-wallet-full = 지갑은 최대 100,000원까지 담을 수 있습니다.
refused-cart-full = 장바구니에는 50가지까지 담을 수 있습니다. 주문하거나 덜어 주세요.
refused-cart-empty = 장바구니가 비어 있습니다.
refused-wrong-state = 지금은 할 수 없습니다.
refused-mail-unavailable = 메일을 보내지 못했습니다. 잠시 후 다시 시도해 주세요.
refused-sign-in-invalid = 더 이상 쓸 수 없는 링크입니다. 링크는 15분 동안 한 번만 쓸 수 있습니다. 새로 받아 주세요.
refused-too-many-commands = 요청이 너무 잦습니다. 잠시 기다려 주세요.
refused-too-many-guests = 요청이 너무 잦습니다. 잠시 기다려 주세요.
refused-too-many-sign-ins = 요청이 너무 잦습니다. 메일을 확인하고 몇 분 뒤 다시 시도해 주세요.
refused-too-many-refusals = 요청이 너무 잦습니다. 잠시 기다려 주세요.
refused-too-many-waits = 지금 기다리는 분이 많습니다. 잠시 후 다시 시도해 주세요.
refused-too-many-checkouts = 이전 주문을 처리하고 있습니다. 잠시 기다려 주세요.
refused-too-many-failures = 요청이 너무 잦습니다. 잠시 기다려 주세요.
refused-key-reused = 다른 내용으로 이미 보낸 양식입니다. 화면을 다시 확인해 주세요.
refused-forbidden = 허용되지 않은 요청입니다.
refused-return-too-late = 반품할 수 있는 기간이 지났습니다.
refused-payment-declined = 결제가 거절되었습니다.
refused-expired = 시간이 지났습니다.
refused-internal = 문제가 생겼습니다. 잠시 후 다시 시도해 주세요.
refused-queue-full = 지금 주문이 몰리고 있습니다. 잠시 후 다시 시도해 주세요.
refused-broker-unavailable = 지금은 주문을 받을 수 없습니다. 잠시 후 다시 시도해 주세요.
refused-database-unavailable = 지금은 확인할 수 없습니다. 잠시 후 다시 시도해 주세요.
