//! Texts as a statement takes them: each once, in order.

use std::collections::BTreeSet;

/// Each of these texts once, in order.
pub(crate) fn distinct<'a>(texts: impl Iterator<Item = &'a str>) -> Vec<String> {
    texts.collect::<BTreeSet<_>>().into_iter().map(str::to_owned).collect()
}
