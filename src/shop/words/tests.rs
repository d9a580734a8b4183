use std::collections::BTreeMap;
use std::path::Path;

use super::*;

const KOREAN: Words = Words { language: Language::Korean, time_zone: Tz::Asia__Seoul };
const ENGLISH: Words = Words { language: Language::English, time_zone: Tz::Asia__Seoul };

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The texts of a language by name, with the names of what they are about.
fn texts(language: &str) -> BTreeMap<String, Vec<String>> {
    let mut found = BTreeMap::<String, Vec<String>>::new();
    let file = std::fs::read_to_string(root().join(format!("texts/{language}/shop.ftl"))).unwrap();
    let mut name = String::new();
    for line in file.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty()) {
        if !line.starts_with([' ', '}']) {
            name = line.split_once(" =").expect("a text has a name").0.to_owned();
            assert!(found.insert(name.clone(), vec![]).is_none(), "{name} is there twice");
        }
        let about = found.get_mut(&name).unwrap();
        for piece in line.split('$').skip(1) {
            about.push(piece.chars().take_while(char::is_ascii_alphanumeric).collect());
        }
        about.sort();
        about.dedup();
    }
    found
}

/// What the pages and their code call by name.
fn called() -> Vec<(String, String)> {
    let mut calls = vec![];
    let mut folders = vec![root().join("templates/shop"), root().join("src/shop")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            for call in [".t(\"", ".n(\"", ".of(\"", ".of_n(\"", "told(\""] {
                for piece in text.split(call).skip(1) {
                    let name = piece.split('"').next().unwrap().to_owned();
                    calls.push((name, path.display().to_string()));
                }
            }
        }
    }
    calls
}

#[test]
fn both_languages_say_the_same_things() {
    assert_eq!(texts("en"), texts("ko"));
}

#[test]
fn whatever_a_page_says_is_written() {
    let texts = texts("en");
    let calls = called();
    assert!(calls.len() > 100, "the pages were not found");
    for (name, path) in calls {
        assert!(texts.contains_key(&name), "{path} says {name}");
    }
}

#[test]
fn prices_and_times_are_in_the_readers_manner() {
    let at = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
    assert_eq!((KOREAN.won(1_234_567), ENGLISH.won(900)), ("1,234,567원".to_owned(), "₩900".to_owned()));
    assert_eq!(KOREAN.when(&at), "2027년 1월 15일 17:00 KST");
    assert_eq!(ENGLISH.when(&at), "15 Jan 2027, 17:00 KST");
    assert_eq!(ENGLISH.won(-1_000), "₩-1,000");
}

#[test]
fn a_browser_gets_the_language_that_it_likes_best() {
    let preferred = |text: &str| {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT_LANGUAGE, text.parse().unwrap());
        Language::preferred(&headers)
    };
    assert_eq!(preferred("ko-KR,ko;q=0.9,en;q=0.8"), Language::Korean);
    assert_eq!(preferred("fr, en;q=0.5, ko;q=0.7"), Language::Korean);
    assert_eq!(preferred("EN-gb, ko;q=0.9"), Language::English);
    assert_eq!(preferred("fr"), Language::English);
    assert_eq!(preferred("ko;q=0, en;q=nonsense"), Language::English);
}
