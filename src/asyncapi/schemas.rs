//! The schemas of bodies. Structs describe themselves; what has a rule of its own is described here, beside the rule's limits.

use serde_json::{Map, Value, json};
use utoipa::openapi::schema::{ArrayBuilder, Object, ObjectBuilder, SchemaFormat, Type};
use utoipa::openapi::{KnownFormat, Ref, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::domain::gateway::PaymentKey;
use crate::domain::ids::{CommandId, CustomerId, Fingerprint, OrderId, SkuCode};
use crate::domain::items::{
    HoldSeconds, MAX_HOLD_SECONDS, MAX_ITEMS, MAX_QUANTITY, Quantity, RequestedItem, RequestedItems,
};
use crate::domain::money::Won;
use crate::domain::refund::{MAX_REASON_CHARS, RefundReason};
use crate::message::{CURRENT_VERSION, Version};

/// Describes a type that is a text or a number with a rule.
macro_rules! described {
    ($($name:ident => $schema:expr;)+) => {
        $(
            impl PartialSchema for $name {
                fn schema() -> RefOr<Schema> {
                    let schema: ObjectBuilder = $schema;
                    schema.build().into()
                }
            }
            impl ToSchema for $name {}
        )+
    };
}

described! {
    Version => integer().enum_values(Some([CURRENT_VERSION]));
    OrderId => uuid();
    CommandId => uuid();
    Fingerprint => uuid();
    CustomerId => text().pattern(Some("^[!-~]{1,64}$"));
    SkuCode => text().pattern(Some("^[A-Za-z0-9._-]{1,64}$"));
    PaymentKey => text().pattern(Some("^[A-Za-z0-9_=-]{1,200}$"));
    RefundReason => text().max_length(Some(MAX_REASON_CHARS));
    Quantity => integer().minimum(Some(1)).maximum(Some(MAX_QUANTITY));
    HoldSeconds => integer().minimum(Some(1)).maximum(Some(MAX_HOLD_SECONDS));
    Won => integer().minimum(Some(0));
}

impl PartialSchema for RequestedItems {
    fn schema() -> RefOr<Schema> {
        let one = Ref::from_schema_name(RequestedItem::name());
        ArrayBuilder::new().items(one).min_items(Some(1)).max_items(Some(MAX_ITEMS)).build().into()
    }
}

impl ToSchema for RequestedItems {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((RequestedItem::name().into_owned(), RequestedItem::schema()));
        RequestedItem::schemas(schemas);
    }
}

fn text() -> ObjectBuilder {
    Object::builder().schema_type(Type::String)
}

fn uuid() -> ObjectBuilder {
    text().format(Some(SchemaFormat::KnownFormat(KnownFormat::Uuid)))
}

fn integer() -> ObjectBuilder {
    Object::builder().schema_type(Type::Integer)
}

/// Schemas by their names, to be referred to from everywhere in the document.
#[derive(Default)]
pub(super) struct Schemas(Map<String, Value>);

impl Schemas {
    /// A reference to the schema of a type, which is here from now on with all that it is made of.
    pub(super) fn of<T: ToSchema>(&mut self) -> Value {
        let mut parts = vec![(T::name().into_owned(), T::schema())];
        T::schemas(&mut parts);
        for (name, schema) in parts {
            self.0.insert(name, serde_json::to_value(schema).expect("a schema has string keys"));
        }
        json!({"$ref": format!("#/components/schemas/{}", T::name())})
    }

    /// As [`Self::of`], for a type whose variants are not told apart by what is in them: one shape may be a part of another.
    pub(super) fn any_of<T: ToSchema>(&mut self) -> Value {
        let reference = self.of::<T>();
        if let Some(Value::Object(schema)) = self.0.get_mut(T::name().as_ref())
            && let Some(variants) = schema.remove("oneOf")
        {
            schema.insert("anyOf".to_owned(), variants);
        }
        reference
    }

    pub(super) fn into_value(self) -> Value {
        Value::Object(self.0)
    }
}
