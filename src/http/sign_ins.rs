//! Signing in at the shop: what of it is set up in this process, and the mail with a link.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use clap::Args;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tracing::warn;
use uuid::Uuid;

use super::error::ApiError;
use super::handed_over::HandedOver;
use super::jwt_keys::{HandOverSettings, JwtKeys, JwtKeysError};
use super::sign_in_link::{LinkSigner, SHORTEST_SECRET, SignInLink};
use crate::domain::contact::EmailAddress;
use crate::domain::shop_path::ShopPath;
use crate::effects::mail::{MailSetupError, Mailer};
use crate::effects::settings::MailSettings;
use crate::effects::sign_in::{Language, SignInMail};
use crate::peers::secret::Secret;

/// How long a link is good for.
const LINK_MINUTES: i64 = 15;
/// Mails that are handed over at once; others wait for their turn within the same time.
const AT_ONCE: usize = 8;
/// Whoever asks for a link hears within this time whether the mail server has taken it.
const DEADLINE: Duration = Duration::from_secs(10);
/// Where a link leads in the shop.
const CONFIRM: &str = "/shop/sign-in/confirm?link=";

/// How customers sign in at the shop.
#[derive(Args, Clone, Debug)]
pub struct SignInSettings {
    #[command(flatten)]
    pub mail: MailSettings,
    /// Signs the links by which customers sign in: at least 32 characters, the same for all APIs; without it none are mailed
    #[arg(long, env = "HOLDFAST_SIGN_IN_SECRET", hide_env_values = true)]
    pub sign_in_secret: Option<Secret>,
    #[command(flatten)]
    pub handed_over: HandOverSettings,
}

/// Why nobody can sign in. No text tells a secret.
#[derive(Debug, thiserror::Error)]
pub enum SignInSetupError {
    #[error(transparent)]
    Mail(#[from] MailSetupError),
    #[error(transparent)]
    JwtKeys(#[from] JwtKeysError),
    #[error("HOLDFAST_SIGN_IN_SECRET must have at least {SHORTEST_SECRET} characters")]
    ShortSecret,
    #[error("HOLDFAST_SIGN_IN_SECRET needs HOLDFAST_SHOP_URL")]
    ShopUrl,
}

impl SignInSettings {
    /// With the site of the shop, to which links in mails lead.
    pub fn open(&self, shop_url: Option<&str>) -> Result<SignIns, SignInSetupError> {
        // An empty variable is how a compose file says "not set".
        let secret = self.sign_in_secret.as_ref().filter(|secret| !secret.expose().is_empty());
        let signer =
            secret.map(|secret| LinkSigner::new(secret).ok_or(SignInSetupError::ShortSecret)).transpose()?;
        let shop_url = shop_url.unwrap_or_default().to_owned();
        if signer.is_some() && shop_url.is_empty() {
            return Err(SignInSetupError::ShopUrl);
        }
        let (mailer, jwt_keys) = (self.mail.open()?, self.handed_over.open()?);
        Ok(SignIns::with(signer, shop_url, mailer, jwt_keys))
    }
}

/// What of it is set up.
#[derive(Clone)]
pub struct SignIns(Arc<Kept>);

struct Kept {
    signer: Option<LinkSigner>,
    shop_url: String,
    mailer: Option<Arc<Mailer>>,
    jwt_keys: Option<JwtKeys>,
    places: Semaphore,
}

/// What somebody who wants to sign in asks to be mailed.
#[derive(Debug)]
pub struct AskedLink {
    /// In small letters.
    pub email: EmailAddress,
    pub language: Language,
    pub next: Option<ShopPath>,
}

impl SignIns {
    /// Nothing of it.
    pub fn none() -> Self {
        Self::with(None, String::new(), None, None)
    }

    fn with(
        signer: Option<LinkSigner>,
        shop_url: String,
        mailer: Option<Arc<Mailer>>,
        jwt_keys: Option<JwtKeys>,
    ) -> Self {
        Self(Arc::new(Kept { signer, shop_url, mailer, jwt_keys, places: Semaphore::new(AT_ONCE) }))
    }

    /// Whether links can be mailed here.
    pub fn can_mail(&self) -> Result<(), ApiError> {
        let is_set_up = self.0.signer.is_some() && self.0.mailer.is_some();
        if is_set_up { Ok(()) } else { Err(ApiError::MailUnavailable("mail is not set up here")) }
    }

    /// Mails a link, whose time begins now by PostgreSQL's clock.
    pub async fn mail(&self, asked: &AskedLink, now: DateTime<Utc>) -> Result<(), ApiError> {
        let Kept { signer: Some(signer), shop_url, mailer: Some(mailer), places, .. } = &*self.0 else {
            return self.can_mail();
        };
        let link = SignInLink {
            email: asked.email.clone(),
            expires_at: now + TimeDelta::minutes(LINK_MINUTES),
            id: Uuid::new_v4(),
            next: asked.next.clone(),
        };
        let url = format!("{shop_url}{CONFIRM}{}", signer.sign(&link));
        let mail = SignInMail {
            // The link's own id stays in the link.
            id: Uuid::new_v4(),
            to: &asked.email,
            language: asked.language,
            shop_url,
            link: &url,
            asked_at: now,
            minutes: LINK_MINUTES,
        };
        let sending = async {
            let _place = places.acquire().await.expect("nobody closes it");
            mailer.send_link(&mail).await
        };
        match timeout(DEADLINE, sending).await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) => warn!(%error, "a link to sign in was not mailed"),
            Err(_) => warn!("a link to sign in was not mailed in time"),
        }
        Err(ApiError::MailUnavailable("the mail could not be sent now"))
    }

    /// What a link says, if it is one of ours.
    pub fn read(&self, link: &str) -> Option<SignInLink> {
        self.0.signer.as_ref()?.read(link)
    }

    /// What a JWT says, if our shop has signed it.
    pub fn read_jwt(&self, jwt: &str) -> Option<HandedOver> {
        HandedOver::read(self.0.jwt_keys.as_ref()?, jwt)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Program {
        #[command(flatten)]
        sign_ins: SignInSettings,
    }

    fn open(arguments: &[&str], shop_url: Option<&str>) -> Result<SignIns, SignInSetupError> {
        Program::try_parse_from([&["program"], arguments].concat()).unwrap().sign_ins.open(shop_url)
    }

    #[tokio::test]
    async fn half_a_configuration_is_refused_and_none_mails_nothing() {
        let secret = ["--sign-in-secret", "0123456789abcdef0123456789abcdef"];
        let mail = ["--mail-url", "smtp://localhost:2525", "--mail-from", "shop@example.com"];
        let shop = Some("https://shop.example.com");
        assert!(open(&[], shop).unwrap().can_mail().is_err());
        assert!(open(&["--sign-in-secret", ""], None).unwrap().can_mail().is_err());
        for (arguments, shop_url) in
            [(&["--sign-in-secret", "hush"][..], shop), (&secret, None), (&secret, Some(""))]
        {
            let error = open(arguments, shop_url).err().unwrap();
            assert!(!format!("{error} {error:?}").contains("hush"), "{error}");
        }
        assert!(open(&secret, shop).unwrap().can_mail().is_err());
        assert!(open(&[&secret[..], &mail].concat(), shop).unwrap().can_mail().is_ok());
    }
}
