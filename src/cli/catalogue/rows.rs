//! Rows of a table and lines of JSON, as documents for the API and back.
//!
//! A row is a SKU with its product; rows of one product may lie anywhere, and agree on what they say of it. A column that is not
//! there leaves what it is about as it is; an empty cell empties what may be empty. What goes out comes back as the same: texts
//! with the spaces at their ends, options with all of their values, in order, also those of which there is no SKU.

use std::collections::HashMap;
use std::io::{BufRead, Read};

use anyhow::Context as _;
use holdfast::domain::catalogue::import::BadLine;
use serde_json::{Map, Value, json};

use super::Told;
use super::cells::{list, marked, text, unmarked};

/// Of a product: its name in the table, and in a document.
const PRODUCT: [(&str, &str); 9] = [
    ("name", "name"),
    ("description", "description"),
    ("description_format", "description_format"),
    ("image_urls", "image_urls"),
    ("category", "category"),
    ("tags", "tags"),
    ("is_active", "is_active"),
    ("sale_from", "sale_from"),
    ("sale_until", "sale_until"),
];
/// Of a SKU.
const SKU: [(&str, &str); 5] = [
    ("sku_name", "name"),
    ("price_won", "price_won"),
    ("discount_ratio", "discount_ratio"),
    ("max_per_customer", "max_per_customer"),
    ("on_hand", "on_hand"),
];
const OPTIONS: usize = 4;

/// An option as a row names it.
struct OptionCells {
    name: String,
    /// All of its values, if the row says so.
    values: Vec<String>,
    /// Empty in a row without a SKU.
    choice: String,
}

/// Every column, in order.
fn columns() -> Vec<String> {
    let names = |list: &[(&str, &str)]| list.iter().map(|(name, _)| (*name).to_owned()).collect::<Vec<_>>();
    let options = (1..=OPTIONS)
        .flat_map(|n| [format!("option_{n}"), format!("option_{n}_values"), format!("choice_{n}")]);
    let mut columns = vec!["product".to_owned()];
    columns.extend(names(&PRODUCT));
    columns.extend(options);
    columns.push("sku".to_owned());
    columns.extend(names(&SKU));
    columns
}

/// Reads documents as they are; each learns where it stood.
pub(super) fn read_json_lines(reader: impl BufRead) -> anyhow::Result<Told> {
    let mut told = Told::default();
    for (number, line) in (1u64..).zip(reader.lines()) {
        let line = line.context("the file is not UTF-8")?;
        if line.trim().is_empty() {
            continue;
        }
        match serde_json::from_str::<Map<String, Value>>(&line) {
            Ok(mut document) => {
                document.insert("line".to_owned(), json!(number));
                told.lines.push(Value::Object(document).to_string());
            }
            Err(error) => {
                told.bad.push(BadLine {
                    line: number,
                    product: None,
                    reason: format!("no JSON object: {error}"),
                });
            }
        }
    }
    Ok(told)
}

/// A row by its columns.
struct Row<'a> {
    columns: &'a HashMap<String, usize>,
    record: &'a csv::StringRecord,
}

impl Row<'_> {
    /// What a cell says, if its column is there, to the last space.
    fn text(&self, name: &str) -> Option<&str> {
        self.record.get(*self.columns.get(name)?).map(unmarked)
    }

    /// The same of a cell whose ends do not matter.
    fn cell(&self, name: &str) -> Option<&str> {
        self.record.get(*self.columns.get(name)?).map(|cell| unmarked(cell.trim()))
    }

    fn product(&self) -> Result<Map<String, Value>, String> {
        let mut document = Map::new();
        for (name, member) in PRODUCT {
            let is_text = matches!(name, "name" | "description");
            let Some(cell) = (if is_text { self.text(name) } else { self.cell(name) }) else { continue };
            let value = match name {
                "image_urls" | "tags" => list(cell).map_err(|error| format!("{name}: {error}"))?,
                "is_active" => match cell {
                    "" => continue,
                    "true" | "TRUE" | "1" | "yes" => json!(true),
                    "false" | "FALSE" | "0" | "no" => json!(false),
                    _ => return Err("is_active: neither true nor false".to_owned()),
                },
                "name" if cell.is_empty() => continue,
                _ if cell.is_empty() => Value::Null,
                _ => json!(cell),
            };
            document.insert(member.to_owned(), value);
        }
        Ok(document)
    }

    /// What it says of its SKU, if it has one.
    fn sku(&self) -> Result<Option<Map<String, Value>>, String> {
        let Some(code) = self.cell("sku").filter(|code| !code.is_empty()) else { return Ok(None) };
        let mut document = Map::from_iter([("sku".to_owned(), json!(code))]);
        for (name, member) in SKU {
            let cell = if name == "sku_name" { self.text(name) } else { self.cell(name) };
            let Some(cell) = cell else { continue };
            let value = match name {
                "discount_ratio" | "max_per_customer" if cell.is_empty() => Value::Null,
                _ if cell.is_empty() => continue,
                "sku_name" => json!(cell),
                "discount_ratio" => json!(cell.parse::<f64>().map_err(|_| format!("{name}: no number"))?),
                _ => json!(cell.parse::<i64>().map_err(|_| format!("{name}: no whole number"))?),
            };
            document.insert(member.to_owned(), value);
        }
        Ok(Some(document))
    }

    /// The options that it names, with what its SKU chooses of each.
    fn options(&self, has_sku: bool) -> Result<Vec<OptionCells>, String> {
        let mut options = vec![];
        for number in 1..=OPTIONS {
            let name = self.cell(&format!("option_{number}")).unwrap_or_default();
            let choice = self.cell(&format!("choice_{number}")).unwrap_or_default();
            let column = format!("option_{number}_values");
            let values = list(self.cell(&column).unwrap_or_default());
            let values: Vec<String> = values
                .and_then(|values| serde_json::from_value(values).map_err(|error| error.to_string()))
                .map_err(|error| format!("{column}: {error}"))?;
            if name.is_empty() && choice.is_empty() && values.is_empty() {
                continue;
            }
            if name.is_empty() || choice.is_empty() == has_sku {
                return Err(format!("option_{number} and choice_{number} go together"));
            }
            options.push(OptionCells { name: name.to_owned(), values, choice: choice.to_owned() });
        }
        Ok(options)
    }
}

/// The rows of one product.
#[derive(Default)]
struct Group {
    line: u64,
    product: Map<String, Value>,
    options: Vec<(String, Vec<String>)>,
    skus: Vec<Value>,
}

impl Group {
    /// Takes in another row.
    fn add(&mut self, row: &Row<'_>) -> Result<(), String> {
        for (member, value) in row.product()? {
            let is_empty = value.is_null() || value.as_array().is_some_and(Vec::is_empty);
            match self.product.get(&member) {
                Some(known) if *known != value && !is_empty => {
                    return Err(format!("{member} is another one than in line {}", self.line));
                }
                Some(_) => {}
                None => {
                    self.product.insert(member, value);
                }
            }
        }
        let sku = row.sku()?;
        let options = row.options(sku.is_some())?;
        if sku.is_none() && options.is_empty() {
            return Ok(());
        }
        let is_first = self.skus.is_empty() && self.options.is_empty();
        if !is_first
            && !options.iter().map(|option| &option.name).eq(self.options.iter().map(|(name, _)| name))
        {
            return Err(format!("its options are others than in line {}", self.line));
        }
        let mut choices = vec![];
        for (place, OptionCells { name, values, choice }) in options.into_iter().enumerate() {
            if is_first {
                self.options.push((name, vec![]));
            }
            let known = &mut self.options[place].1;
            for value in values.into_iter().chain([choice.clone()]) {
                if !value.is_empty() && !known.contains(&value) {
                    known.push(value);
                }
            }
            choices.push(choice);
        }
        if let Some(mut sku) = sku {
            if row.columns.contains_key("option_1") {
                sku.insert("choices".to_owned(), json!(choices));
            }
            self.skus.push(Value::Object(sku));
        }
        Ok(())
    }

    fn document(self, code: &str, has_options: bool) -> Value {
        let mut document = self.product;
        document.insert("line".to_owned(), json!(self.line));
        document.insert("product".to_owned(), json!(code));
        if has_options && !(self.skus.is_empty() && self.options.is_empty()) {
            let options = self.options.iter().map(|(name, values)| json!({"name": name, "values": values}));
            document.insert("options".to_owned(), options.collect());
        }
        document.insert("skus".to_owned(), json!(self.skus));
        Value::Object(document)
    }
}

/// Reads a table. A row that is bad makes its product bad: half a product is none.
pub(super) fn read(reader: impl Read) -> anyhow::Result<Told> {
    let mut table = csv::ReaderBuilder::new().flexible(true).from_reader(reader);
    let names = table.headers().context("the table has no line of names")?.clone();
    let known = columns();
    let mut columns = HashMap::new();
    for (place, name) in names.iter().enumerate() {
        let name = name.trim().trim_start_matches('\u{feff}');
        anyhow::ensure!(known.iter().any(|known| known == name), "no column is called {name:?}");
        anyhow::ensure!(columns.insert(name.to_owned(), place).is_none(), "two columns are called {name:?}");
    }
    anyhow::ensure!(columns.contains_key("product"), "the column `product` is missing");
    let has_options = columns.contains_key("option_1");
    let mut told = Told::default();
    let (mut order, mut groups): (Vec<String>, HashMap<String, Group>) = (vec![], HashMap::new());
    let mut spoiled = std::collections::HashSet::new();
    for record in table.records() {
        let record = match record {
            Ok(record) => record,
            Err(error) => {
                let line = error.position().map_or(0, csv::Position::line);
                told.bad.push(BadLine { line, product: None, reason: error.to_string() });
                continue;
            }
        };
        let line = record.position().map_or(0, csv::Position::line);
        let row = Row { columns: &columns, record: &record };
        let code = row.cell("product").unwrap_or_default().to_owned();
        let group = groups.entry(code.clone()).or_insert_with(|| {
            order.push(code.clone());
            Group { line, ..Group::default() }
        });
        let added = match record.len() == names.len() {
            true => group.add(&row),
            false => Err(format!("{} cells, and not {}", record.len(), names.len())),
        };
        if let Err(reason) = added {
            told.bad.push(BadLine { line, product: Some(code.clone()), reason });
            spoiled.insert(code);
        }
    }
    for code in order {
        if let Some(group) = groups.remove(&code).filter(|_| !spoiled.contains(&code)) {
            told.lines.push(group.document(&code, has_options).to_string());
        }
    }
    Ok(told)
}

/// The line of names.
pub(super) fn names() -> anyhow::Result<Vec<u8>> {
    let mut out = csv::Writer::from_writer(vec![]);
    out.write_record(columns())?;
    Ok(out.into_inner()?)
}

/// The rows of a product, safe to open in a spreadsheet.
pub(super) fn write(product: &Value) -> anyhow::Result<Vec<u8>> {
    let mut out = csv::Writer::from_writer(vec![]);
    let none = [json!({})];
    let skus = product["skus"].as_array().filter(|skus| !skus.is_empty());
    for sku in skus.map_or(&none[..], Vec::as_slice) {
        let mut cells = vec![text(&product["product"])];
        cells.extend(PRODUCT.iter().map(|(_, member)| text(&product[*member])));
        for number in 0..OPTIONS {
            let option = &product["options"][number];
            cells.extend([text(&option["name"]), text(&option["values"]), text(&sku["choices"][number])]);
        }
        cells.push(text(&sku["sku"]));
        cells.extend(SKU.iter().map(|(_, member)| text(&sku[*member])));
        out.write_record(cells.into_iter().map(marked))?;
    }
    Ok(out.into_inner()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn documents(table: &str) -> (Vec<Value>, Vec<String>) {
        let told = read(table.as_bytes()).unwrap();
        let lines = told.lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
        (lines, told.bad.iter().map(|bad| format!("{}: {}", bad.line, bad.reason)).collect())
    }

    #[test]
    fn rows_of_a_product_become_one_document_and_bad_ones_are_told() {
        let (lines, bad) = documents(
            "product,name,tags,option_1,choice_1,sku,price_won,discount_ratio\n\
             shirt,Shirt,new|cotton,size,S,shirt-s,1000,\n\
             mug,Mug,,,,mug,500,0.1\n\
             shirt,,,size,M,shirt-m,1100,\n",
        );
        assert!(bad.is_empty(), "{bad:?}");
        assert_eq!(
            lines[0],
            json!({"line": 2, "product": "shirt", "name": "Shirt", "tags": ["new", "cotton"],
                   "options": [{"name": "size", "values": ["S", "M"]}],
                   "skus": [{"sku": "shirt-s", "price_won": 1000, "discount_ratio": null, "choices": ["S"]},
                            {"sku": "shirt-m", "price_won": 1100, "discount_ratio": null, "choices": ["M"]}]})
        );
        assert_eq!(lines[1]["skus"][0]["discount_ratio"], 0.1);
        let (lines, bad) = documents(
            "product,name,sku,price_won\nmug,Mug,mug,x\nmug,Mug,mug2,1\ncup,Cup,cup,1\ncup,Other,cup2,1\nshort\n",
        );
        assert!(lines.is_empty(), "{lines:?}");
        assert_eq!(bad.len(), 3, "{bad:?}");
        assert!(read("product,colour\n".as_bytes()).is_err() && read("name\n".as_bytes()).is_err());
    }

    #[test]
    fn what_is_written_is_read_again_and_no_formula() {
        let product = json!({"product": "p", "name": "=1+1", "description": "a\n\"b\",c", "description_format": "plain",
            "image_urls": ["/a.png"], "category": null, "tags": ["a|b", "-c"], "is_active": true, "sale_from": null,
            "sale_until": "2030-01-01T00:00:00Z", "options": [{"name": "size", "values": ["S", "M"]}],
            "skus": [{"sku": "-s", "choices": ["S"], "name": "@x", "price_won": 5, "discount_ratio": 0.5,
                      "max_per_customer": null, "on_hand": 3}]});
        let table = [names().unwrap(), write(&product).unwrap()].concat();
        let table = String::from_utf8(table).unwrap();
        assert!(table.contains("'=1+1") && table.contains("'-s") && table.contains("'@x"), "{table}");
        let (lines, bad) = documents(&table);
        assert!(bad.is_empty(), "{bad:?}");
        let mut expected = product;
        expected["line"] = json!(2);
        assert_eq!(lines[0], expected);
    }
}
