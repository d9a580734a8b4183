//! Options of a product, such as size × colour, and the SKU of each combination.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::texts::OptionText;
use crate::domain::Invalid;
use crate::domain::ids::SkuCode;

pub const MAX_OPTIONS: usize = 4;
pub const MAX_VALUES: usize = 50;
pub const MAX_SKUS: usize = 100;

/// Something that a buyer chooses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProductOption {
    /// What is chosen, such as a size.
    #[schema(value_type = String, min_length = 1, max_length = 40)]
    pub name: OptionText,
    /// What there is to choose from, in the order in which it is shown; 1 to 50.
    #[schema(value_type = Vec<String>, min_items = 1, max_items = 50)]
    pub values: Vec<OptionText>,
}

/// A SKU of a product.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Variant {
    /// The SKU's code.
    #[schema(value_type = String, min_length = 1, max_length = 64)]
    pub sku: SkuCode,
    /// One value of each option, in the order of the options.
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    pub choices: Vec<OptionText>,
}

/// Whether these SKUs are combinations of these options, each of another one.
pub fn check(options: &[ProductOption], skus: &[Variant]) -> Result<(), Invalid> {
    if options.len() > MAX_OPTIONS || !are_different(options.iter().map(|option| &option.name)) {
        return Err(Invalid::new("options", "at most 4, each with a name of its own"));
    }
    for ProductOption { values, .. } in options {
        if !(1..=MAX_VALUES).contains(&values.len()) || !are_different(values.iter()) {
            return Err(Invalid::new("options", "names with 1 to 50 different values each"));
        }
    }
    if skus.len() > MAX_SKUS || !are_different(skus.iter().map(|variant| &variant.sku)) {
        return Err(Invalid::new("skus", "at most 100 different SKUs"));
    }
    let fits = |choices: &[OptionText]| {
        choices.len() == options.len()
            && options.iter().zip(choices).all(|(option, choice)| option.values.contains(choice))
    };
    if !skus.iter().all(|variant| fits(&variant.choices)) {
        return Err(Invalid::new(
            "skus",
            "SKUs that choose one value of each option, in the order of the options",
        ));
    }
    if !are_different(skus.iter().map(|variant| &variant.choices)) {
        return Err(Invalid::new("skus", "SKUs that choose differently, each in another way"));
    }
    Ok(())
}

fn are_different<T: Eq + std::hash::Hash>(mut all: impl Iterator<Item = T>) -> bool {
    let mut seen = HashSet::new();
    all.all(|one| seen.insert(one))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(texts: &[&str]) -> Vec<OptionText> {
        texts.iter().map(|text| OptionText::parse(*text).unwrap()).collect()
    }

    fn option(name: &str, values: &[&str]) -> ProductOption {
        ProductOption { name: OptionText::parse(name).unwrap(), values: texts(values) }
    }

    fn variant(sku: &str, choices: &[&str]) -> Variant {
        Variant { sku: SkuCode::parse(sku).unwrap(), choices: texts(choices) }
    }

    #[test]
    fn each_sku_is_another_combination_of_the_options() {
        let options = [option("size", &["S", "M"]), option("colour", &["red"])];
        assert!(check(&options, &[variant("a", &["S", "red"]), variant("b", &["M", "red"])]).is_ok());
        assert!(check(&options, &[]).is_ok() && check(&[], &[variant("a", &[])]).is_ok());
        for bad in [
            vec![variant("a", &["S"])],
            vec![variant("a", &["red", "S"])],
            vec![variant("a", &["L", "red"])],
            vec![variant("a", &["S", "red"]), variant("b", &["S", "red"])],
            vec![variant("a", &["S", "red"]), variant("a", &["M", "red"])],
        ] {
            assert!(check(&options, &bad).is_err(), "{bad:?}");
        }
        assert!(
            check(&[], &[variant("a", &[]), variant("b", &[])]).is_err(),
            "without options there is one SKU"
        );
        assert!(check(&[option("size", &[])], &[]).is_err());
        assert!(check(&[option("size", &["S", "S"])], &[]).is_err());
        assert!(check(&[option("size", &["S"]), option("size", &["M"])], &[]).is_err());
    }
}
