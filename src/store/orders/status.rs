//! The domain's [`OrderStatus`] as `order_status` of the schema.

use sqlx::encode::IsNull;
use sqlx::error::BoxDynError;
use sqlx::postgres::{PgArgumentBuffer, PgHasArrayType, PgTypeInfo, PgValueRef};
use sqlx::{Decode, Encode, Postgres, Type};

use crate::domain::order::OrderStatus;

impl Type<Postgres> for OrderStatus {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_name("order_status")
    }
}

impl PgHasArrayType for OrderStatus {
    fn array_type_info() -> PgTypeInfo {
        PgTypeInfo::array_of("order_status")
    }
}

impl Encode<'_, Postgres> for OrderStatus {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        <&str as Encode<Postgres>>::encode(self.name(), buffer)
    }
}

impl<'r> Decode<'r, Postgres> for OrderStatus {
    fn decode(value: PgValueRef<'r>) -> Result<Self, BoxDynError> {
        let name = <&str as Decode<Postgres>>::decode(value)?;
        Self::from_name(name).ok_or_else(|| format!("no status of orders is called {name}").into())
    }
}
