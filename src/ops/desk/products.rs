//! Acts on products.

use futures_util::FutureExt as _;

use super::Desk;
use crate::domain::catalogue::texts::ProductCode;
use crate::domain::reason::Reason;
use crate::http::error::ApiError;
use crate::ops::products;
use crate::ops::products::form::{ProductForm, SaleForm};
use crate::store::catalogue::keeping::Done;

impl Desk {
    /// Makes a product.
    pub async fn make_product(
        &self,
        code: ProductCode,
        form: ProductForm,
        reason: Reason,
    ) -> Result<Done, ApiError> {
        let zone = self.app.time_zone;
        self.commit(move |tx, actor| {
            async move { products::make(tx, (actor, reason), code, &form, zone).await }.boxed()
        })
        .await
    }

    /// Changes all of a product.
    pub async fn change_product(
        &self,
        code: ProductCode,
        form: ProductForm,
        reason: Reason,
    ) -> Result<Done, ApiError> {
        let zone = self.app.time_zone;
        self.commit(move |tx, actor| {
            async move { products::change(tx, (actor, reason), code, &form, zone).await }.boxed()
        })
        .await
    }

    /// Changes when a product is sold.
    pub async fn set_sale(
        &self,
        code: ProductCode,
        form: SaleForm,
        reason: Reason,
    ) -> Result<Done, ApiError> {
        let zone = self.app.time_zone;
        self.commit(move |tx, actor| {
            async move { products::set_sale(tx, (actor, reason), code, &form, zone).await }.boxed()
        })
        .await
    }

    /// Takes a product off for good.
    pub async fn archive_product(
        &self,
        code: ProductCode,
        version: i64,
        reason: Reason,
    ) -> Result<Done, ApiError> {
        self.commit(move |tx, actor| {
            async move { products::archive(tx, (actor, reason), &code, version).await }.boxed()
        })
        .await
    }

    /// Brings an archived product back.
    pub async fn bring_product_back(
        &self,
        code: ProductCode,
        version: i64,
        reason: Reason,
    ) -> Result<Done, ApiError> {
        self.commit(move |tx, actor| {
            async move { products::bring_back(tx, (actor, reason), code, version).await }.boxed()
        })
        .await
    }
}
