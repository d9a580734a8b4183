amount = ₩{ $what }

# Around every page
skip = Skip to the page
nav = Shop
cart = Cart
my-orders = My orders
wallet = Wallet
points = Points
sign-in = Sign in
sign-out = Sign out
stale = This page could not be refreshed: what it shows may be out of date.
drawn-at = As of { $what }

# Products
products = Products
search = Search
sort = Order of the list
sort-newest = Newest first
sort-name = By name
sort-price = Lowest price first
sort-price-down = Highest price first
categories = Categories
everything = Everything
nothing-found = Nothing was found.
more = Show more
from-price = from { $what }
up-to = up to −{ $what }
opens-at = Sale begins { $what }
opens-later = Sale begins later
not-sold = Not sold now
sold-out = Sold out
few-left =
    { $n ->
        [one] Only one left
       *[other] Only { $n } left
    }
in-stock = In stock
choose = Choose
limit = at most { $n } each
units = { $n } for this sale
units-left = { $n } left
at-least-left = { $n } or more left
quantity = Quantity
put-in-cart = Put into the cart
order-now = Order this now
join-line = Wait for it
queue-up = Queue up for the sale
queue-hint = You are in line before the sale begins. When it does, orders are held in this order, and you have the full time to pay.
line-hint = First come, first served: as soon as somebody gives one back or more arrive, it is held for you.
as-of = Stock as of { $what }

# Cart and checkout
cart-empty = There is nothing in your cart.
cart-holds-nothing = A cart sets nothing aside: units are held for you at the checkout.
to-products = See the products
item-gone = This is no longer sold. Please remove it.
only-left =
    { $n ->
        [0] None are left now.
        [one] Only one is left now.
       *[other] Only { $n } are left now.
    }
new-price = It costs { $what } now.
old-price = It was { $what } when you put it in.
change = Change
remove = Remove
total = Total
check-out = Check out
remove-first = Please remove what is no longer sold first.
costs-now = Together it costs { $what } now.
short-of = { $what }: { $n } left
early-hint = The sale of something in here has not begun: your order waits in line until it does.
wait-for-it = If there are too few, I wait in line
hold-hint = All of it is then held for you for 20 minutes, in which you can pay.
hold-it = Hold it for me
ordering-as = You order as { $what }.
order-under-way = What is in here was ordered a moment ago, or waits in line.
to-the-order = See that order
back-to-cart = Back to the cart

# An order
state-accepted = One moment …
state-hint-accepted = Your order has been taken and is being decided.
state-waiting = You are in line
state-hint-waiting = This page looks again by itself. When it is your turn, you have the full time to pay.
before-you =
    { $n ->
        [0] You are next
        [one] One order is before you
       *[other] { $n } orders are before you
    }
more-before-you = At least { $n } orders are before you
waits-until = You wait until { $what } at the latest.
state-held = Held for you
left = { $what } left to pay
held-until = Held until { $what }
state-paying = We are asking the bank …
state-hint-paying = Please wait: this page shows the answer as soon as there is one. Nothing is lost meanwhile.
state-paid = Paid. Thank you!
state-hint-paid = It is yours.
state-partly_refunded = Paid, and a part given back
state-hint-partly_refunded = The rest is yours.
state-refunded = Given back
state-hint-refunded = The money went back to where it came from; a card may take some days to show it.
state-refused = Not possible
state-hint-refused = Nothing was held and nothing was paid.
state-expired = The time is up
state-hint-expired = What was held for you has been given back. Money that still arrives for it goes back by itself.
state-cancelled = Called off
state-hint-cancelled = Nothing is held for it any more, and nothing was paid.
state-unknown = Please look again in a moment.
refunded = { $what } were given back.
pay = Pay
from-wallet = From the wallet (there are { $what })
from-points = From points (there are { $what })
rest-by-card = The rest is paid by card.
no-card-here = Cards cannot be used here: the wallet and points have to pay all of it.
pay-amount = Pay { $what }
more-time = I need ten minutes more
cancel = Call it off
return-it = Give it back
return-hint = The whole order goes back, and all that was paid for it to where it came from.
return-all = Give all of it back
order-again = Put it into the cart again
story = What happened
order-number = Order { $what }
which-orders = Which orders
all-orders = All
waiting-orders = In line
no-orders = There are no orders here.
fact-order-held = Held for you
fact-order-waiting = In line
fact-order-refused = Not possible
fact-order-extended = More time was given
fact-order-expired = The time was up
fact-order-cancelled = Called off
fact-order-paid = Paid
fact-order-refunded = Money was given back
fact-payment-declined = A payment was declined
fact-payment-late = Money came late
fact-payment-returned = Late money went back
fact-order-extension_refused = More time was not given
fact-refund-refused = Nothing was given back
fact-unknown = Noted

# The window, wallet and charges
window-opens = The window to pay { $what } opens now.
window-needs-script = This window needs JavaScript.
window-failed = The window could not be loaded. Please go back and try again.
back = Back
set-aside = { $what } set aside
wallet-of = The wallet of { $what }
wallet-charge = Charge the wallet
amount-in-won = Amount in won, up to 100,000 in the wallet
charge-by-card = Charge by card
charge-open = Not paid yet
charge-paying = We are asking the bank …
charge-posted = It is in your wallet
charge-refused = The wallet would be too full
charge-declined = The card was declined
charge-returning = The money is on its way back
charge-returned = The money went back

# Signing in
sign-in-hint = We mail you a link to sign in with: there is no password.
email = E-mail address
send-link = Mail me a link
send-again = Mail it again
link-sent = A link is on its way to { $what }.
link-hint = It is good for 15 minutes, once. You may close this page.
confirm-hint = Press the button to sign in on this device.
confirm-sign-in = Sign in

# What the last form came to
told-put-in = It is in your cart.
told-cancelled = It is called off.
told-extended = You have ten minutes more.
told-returned = It is given back.
told-not-possible = That is no longer possible. This is how the order stands.
told-too-much = Wallet and points together are more than the order costs.
told-no-card = Cards cannot be used here.
told-wallet-short = There is not enough in the wallet for that.
told-points-short = There are not enough points for that.
told-declined = The payment was declined. This is how the order stands.
told-other-amount = That was not what the order costs. This is how it stands.
told-other-order = That payment was for something else.
told-window-closed = The window was closed before it was paid. This is how the order stands.
told-window-left = You came back from the window. This is how the order stands.
told-under-way = That is under way. This page shows it as soon as it is done.
told-signed-out-here = You are signed out on this device. The shop could not be told, so the session ends by itself.
told-card-failed = The window says that the card was declined. This is how the order stands.
told-charge-paid = Your charge is paid.
told-charge-declined = The card was declined. Nothing was added to the wallet.
told-charge-not-possible = This charge cannot be paid any more. This is how it stands.
told-not-all-fits = Not everything of your earlier cart fits in here.

# What was refused
refused = That did not work
try-again = Try again
wait-seconds = Please wait { $what } seconds.
refused-unknown = Please try again in a moment. If it goes on, tell the shop.
refused-not-found = There is no such page, or it is not yours.
refused-foreign-page = This came from another site and was not done.
refused-bad-form = Something in the form is missing or not readable.
refused-unprocessable = Something in the form does not fit.
refused-out-of-stock = Too few are left. You can take fewer, or wait in line.
refused-off-sale = This is not sold now.
refused-price-changed = The price has changed. Please look at it once more.
refused-too-many-holds = You hold as many orders as one customer may. Pay or call one off first.
refused-too-many-units = That is more of it than one customer may have.
refused-unknown-sku = The shop no longer knows this.
refused-amount-too-large = That is more than one order may cost.
refused-wait-ended = It was not your turn in time.
refused-wallet-full = A wallet holds at most ₩100,000.
refused-cart-full = A cart takes 50 different things. Check out, or take something out.
refused-cart-empty = There is nothing in your cart.
refused-wrong-state = That is no longer possible.
refused-mail-unavailable = The mail could not be sent. Please try again in a moment.
refused-sign-in-invalid = This link is not good any more: it is good for 15 minutes, once. Please have a new one mailed.
refused-too-many-commands = That was too often. Please wait a moment.
refused-too-many-guests = That was too often. Please wait a moment.
refused-too-many-sign-ins = That was too often. Please wait some minutes, and look into your mail meanwhile.
refused-too-many-refusals = That was too often. Please wait a moment.
refused-too-many-waits = Very many are waiting just now. Please try again in a moment.
refused-too-many-checkouts = Earlier orders of this cart are being decided. Please wait a moment.
refused-too-many-failures = That was too often. Please wait a moment.
refused-key-reused = This form was sent before with something else in it. Please look at the page again.
refused-forbidden = The shop does not allow that.
refused-return-too-late = The time in which it could be given back is over.
refused-payment-declined = The payment was declined.
refused-expired = The time is up.
refused-internal = Something went wrong on our side. Please try again in a moment.
refused-queue-full = Very many are ordering just now. Please try again in a moment.
refused-broker-unavailable = The shop cannot take orders just now. Please try again in a moment.
refused-database-unavailable = The shop cannot look this up just now. Please try again in a moment.
