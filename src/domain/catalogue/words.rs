//! The words products are found by. They are folded here and not in the database, whose idea of letters is another on every
//! machine.
//!
//! A name is cut into pieces. In scripts that write words apart, a piece is found by how it begins; in Korean, Chinese and
//! Japanese, where one word grows on to another, by any part of it. Each piece has terms that lead to it by an index: the first
//! letters of a word, the letters and pairs of letters of the others.

use std::collections::BTreeSet;

use unicode_normalization::UnicodeNormalization as _;

use super::texts::{Category, Tag};
use crate::domain::Invalid;

/// Folded names are cut after so many letters: more than a name has, unless one letter stands for a whole sentence.
const MAX_FOLDED: usize = 400;
/// Longer beginnings of words lead nowhere else.
const BEGINNING: usize = 6;
/// The longest text to search for, in letters, and its pieces.
const MAX_SEARCH: usize = 100;
const MAX_PIECES: usize = 8;

/// A word, or a run of letters in a script that does not write words apart.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Piece {
    letters: Vec<char>,
    is_run: bool,
}

/// The pieces of a text, folded: the same letter however it was typed, small, and Latin ones without accents.
fn pieces(text: &str) -> Vec<Piece> {
    let plain = text.nfkd().filter(|letter| !('\u{300}'..='\u{36f}').contains(letter));
    let folded: String = plain.nfc().flat_map(char::to_lowercase).collect();
    let mut pieces: Vec<Piece> = vec![];
    let mut goes_on = false;
    for letter in folded.as_str().nfkc() {
        if !letter.is_alphanumeric() {
            goes_on = false;
            continue;
        }
        let is_run = is_of_a_run(letter);
        match pieces.last_mut() {
            Some(piece) if goes_on && piece.is_run == is_run => piece.letters.push(letter),
            _ => pieces.push(Piece { letters: vec![letter], is_run }),
        }
        goes_on = true;
    }
    pieces
}

/// Whether a letter is of a script that does not write words apart, or lets them grow together: Thai, Khmer, Korean, Japanese
/// and Chinese.
fn is_of_a_run(letter: char) -> bool {
    matches!(u32::from(letter), 0xe00..=0xeff | 0x1100..=0x11ff | 0x1780..=0x17ff | 0x3040..=0x31ff | 0x3400..=0x4dbf
        | 0x4e00..=0x9fff | 0xa960..=0xa97f | 0xac00..=0xd7ff | 0xf900..=0xfaff | 0x20000..=0x3ffff)
}

/// A name as it is searched and sorted: its pieces, with a space between two.
pub fn fold(name: &str) -> String {
    let mut folded = String::new();
    let mut room = MAX_FOLDED;
    for Piece { letters, .. } in pieces(name) {
        if !folded.is_empty() {
            folded.push(' ');
        }
        folded.extend(letters.iter().take(room));
        room = room.saturating_sub(letters.len() + 1);
        if room == 0 {
            break;
        }
    }
    folded
}

impl Piece {
    /// What leads to a piece of a name, whichever part of it is looked for.
    fn all_terms(&self) -> Vec<String> {
        let letters = &self.letters;
        if self.is_run {
            let pairs = letters.windows(2).map(of_name);
            return letters.chunks(1).map(of_name).chain(pairs).collect();
        }
        (1..=letters.len().min(BEGINNING)).map(|end| of_name(&letters[..end])).collect()
    }

    /// What leads to this piece when it is looked for.
    fn terms(&self) -> Vec<String> {
        match self.letters.as_slice() {
            [_] => vec![of_name(&self.letters)],
            letters if self.is_run => letters.windows(2).map(of_name).collect(),
            letters => vec![of_name(&letters[..letters.len().min(BEGINNING)])],
        }
    }
}

fn of_name(letters: &[char]) -> String {
    format!("n:{}", letters.iter().collect::<String>())
}

fn of_category(category: &Category) -> String {
    format!("c:{category}")
}

fn of_tag(tag: &Tag) -> String {
    format!("t:{tag}")
}

/// Every term that leads to a product, each once.
pub fn terms(folded_name: &str, category: Option<&Category>, tags: &[Tag]) -> Vec<String> {
    let words = pieces(folded_name).into_iter().flat_map(|piece| piece.all_terms());
    let others = category.map(of_category).into_iter().chain(tags.iter().map(of_tag));
    words.chain(others).collect::<BTreeSet<String>>().into_iter().collect()
}

/// What a buyer looks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Search {
    /// All of these lead to it.
    pub terms: Vec<String>,
    /// And a space with its folded name behind it has these in it.
    pub parts: Vec<String>,
}

impl Search {
    /// Products of this category and tag whose name has all the words of this text.
    pub fn parse(
        text: Option<&str>,
        category: Option<&Category>,
        tag: Option<&Tag>,
    ) -> Result<Self, Invalid> {
        let mut search = Self::default();
        search.terms.extend(category.map(of_category).into_iter().chain(tag.map(of_tag)));
        let Some(text) = text else { return Ok(search) };
        let invalid = Invalid::new("q", "at most 100 letters, with 1 to 8 words among them");
        if text.chars().count() > MAX_SEARCH {
            return Err(invalid);
        }
        let pieces = pieces(text);
        if !(1..=MAX_PIECES).contains(&pieces.len()) {
            return Err(invalid);
        }
        for piece in &pieces {
            search.terms.extend(piece.terms());
            let start = if piece.is_run { "" } else { " " };
            search.parts.push(format!("{start}{}", piece.letters.iter().collect::<String>()));
        }
        search.terms.sort_unstable();
        search.terms.dedup();
        Ok(search)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether a name is found by a text.
    fn finds(text: &str, name: &str) -> bool {
        let search = Search::parse(Some(text), None, None).unwrap();
        let folded = fold(name);
        let there = terms(&folded, None, &[]);
        let by_index = search.terms.iter().all(|term| there.contains(term));
        let by_name = search.parts.iter().all(|part| format!(" {folded}").contains(part.as_str()));
        assert!(by_index || !by_name, "the index leads to all that fits: {text} in {name}");
        by_index && by_name
    }

    #[test]
    fn words_are_found_by_how_they_begin_and_korean_ones_by_any_part() {
        for (text, name) in [
            ("mug", "Blue MUGS, large"),
            ("large mug", "Blue MUGS, large"),
            ("cafe", "Café Crème"),
            ("CAFÉ", "cafe"),
            ("ｍｕｇ", "mug"),
            ("머그", "블루머그컵"),
            ("컵", "블루머그컵"),
            ("블루 컵", "블루머그컵"),
            ("\u{1106}\u{1165}\u{1100}\u{1173}", "머그"),
            ("LG그램", "LG 그램 17"),
            ("그램 17", "LG그램17"),
            ("カメラ", "デジタルカメラ"),
            ("ガ", "ガム"),
            ("interna", "International"),
            ("internationalize", "internationalized"),
            ("Straße", "STRASSE straße"),
        ] {
            assert!(finds(text, name), "{text} in {name}");
        }
        for (text, name) in [
            ("ug", "mug"),
            ("mugs", "mug"),
            ("internationalism", "internationalize"),
            ("그머", "머그컵"),
            ("머컵", "머그컵"),
            ("머그 접시", "머그컵"),
            ("カ", "ガム"),
        ] {
            assert!(!finds(text, name), "{text} not in {name}");
        }
    }

    #[test]
    fn what_is_searched_for_has_words_and_not_too_many() {
        for bad in ["", " ", "!?", &"a".repeat(101), "a b c d e f g h i"] {
            assert!(Search::parse(Some(bad), None, None).is_err(), "{bad}");
        }
        assert_eq!(fold("  Blue--MUG! 3개 "), "blue mug 3 개");
        assert!(fold(&"\u{fdfa}".repeat(200)).chars().count() <= MAX_FOLDED + 20);
        assert!(terms(&fold(&"가".repeat(200)), None, &[]).len() <= 2);
    }
}
