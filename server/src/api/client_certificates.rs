//! `/v1/client-certificate`: as whom the requests of a tenant appear, where their endpoint has no
//! certificate of its own.

use super::Api;
use super::audit::Act;
use super::caller::{Caller, Manage, Read};
use super::endpoint_form::CertificateForm;
use super::extract::Json;
use super::problem::{Code, Problem};
use super::time::Time;
use axum::extract::State;
use axum::http::StatusCode;
use postrider::{ClientIdentity, HeaderLines, Note, TenantId};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

/// A tenant has one.
const ID: &str = "all";

/// A client certificate, as it is kept.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct CertificateRecord {
    certificate: String,
    private_key: String,
    set_at: Time,
}

impl CertificateRecord {
    fn identity(&self) -> ClientIdentity {
        ClientIdentity::new(self.certificate.as_str(), self.private_key.as_str())
    }
}

/// The client certificate of a tenant.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ClientCertificate {
    /// The certificate, and behind it those between it and its authority, as PEM.
    certificate: String,
    /// `[secret]`: it is never shown.
    private_key: &'static str,
    /// When it was set.
    set_at: Time,
}

impl ClientCertificate {
    fn of(record: &CertificateRecord) -> Self {
        Self {
            certificate: record.certificate.clone(),
            private_key: HeaderLines::SECRET,
            set_at: record.set_at,
        }
    }
}

#[utoipa::path(
    get, path = "/v1/client-certificate", tag = "Endpoints",
    summary = "Get the tenant's client certificate",
    responses((status = OK, description = "The certificate, without its key.", body = ClientCertificate))
)]
pub(crate) async fn get(
    State(api): State<Api>,
    caller: Caller<Read>,
) -> Result<axum::Json<ClientCertificate>, Problem> {
    let kept = api.client_certificates().get(caller.tenant(), ID);
    let kept = kept.ok_or_else(|| Problem::not_found("client certificate"))?;
    Ok(axum::Json(ClientCertificate::of(&kept)))
}

#[utoipa::path(
    put, path = "/v1/client-certificate", tag = "Endpoints", request_body = CertificateForm,
    summary = "Set the tenant's client certificate",
    description = "Receivers that ask for a certificate in the TLS handshake (mutual TLS) get this one, \
                   unless the endpoint has its own. It holds for connections that are made from then on.",
    responses((status = OK, description = "The certificate, without its key.", body = ClientCertificate))
)]
pub(crate) async fn put(
    State(api): State<Api>,
    caller: Caller<Manage>,
    Json(form): Json<CertificateForm>,
) -> Result<axum::Json<ClientCertificate>, Problem> {
    let tenant = caller.tenant();
    let note = caller.note(&api, Act::ClientCertificateSet, None, json!({}))?;
    let before = api.client_certificates().get(tenant, ID);
    api.identify(tenant, Some(form.identity()))?;
    let record = CertificateRecord {
        certificate: form.certificate,
        private_key: form.private_key,
        set_at: api.now().into(),
    };
    if let Err(problem) = api.keep_certificate(tenant, record.clone(), note).await {
        // What is in use is what is on record.
        api.identify(tenant, before.map(|it| it.identity()))?;
        return Err(problem);
    }
    Ok(axum::Json(ClientCertificate::of(&record)))
}

#[utoipa::path(
    delete, path = "/v1/client-certificate", tag = "Endpoints",
    summary = "Show no client certificate any more",
    description = "Those of single endpoints stay.",
    responses((status = NO_CONTENT, description = "There is none any more."))
)]
pub(crate) async fn delete(
    State(api): State<Api>,
    caller: Caller<Manage>,
) -> Result<StatusCode, Problem> {
    let tenant = caller.tenant();
    if api.client_certificates().get(tenant, ID).is_none() {
        return Err(Problem::not_found("client certificate"));
    }
    let note = caller.note(&api, Act::ClientCertificateDelete, None, json!({}))?;
    api.remove_certificate(tenant, Some(note)).await?;
    Ok(StatusCode::NO_CONTENT)
}

impl Api {
    /// From now on the requests of this tenant appear as this identity.
    fn identify(&self, tenant: &TenantId, identity: Option<ClientIdentity>) -> Result<(), Problem> {
        let identified = self.postrider().identify_tenant(tenant, identity);
        identified.map_err(|error| Problem::new(Code::InvalidValue, &error).at("", error))
    }

    async fn keep_certificate(
        &self,
        tenant: &TenantId,
        record: CertificateRecord,
        note: Note,
    ) -> Result<(), Problem> {
        let kept = self.client_certificates();
        let same = |_: &CertificateRecord| Ok(record.clone());
        let changed = kept.change(tenant, ID, Some(note.clone()), same).await?;
        if changed.is_none() {
            kept.add(tenant, ID, record, Some(note)).await?;
        }
        Ok(())
    }

    /// Takes the certificate of a tenant away; whether there was one.
    pub(super) async fn remove_certificate(
        &self,
        tenant: &TenantId,
        note: Option<Note>,
    ) -> Result<bool, Problem> {
        if self.client_certificates().get(tenant, ID).is_none() {
            return Ok(false);
        }
        self.client_certificates().remove(tenant, ID, note).await?;
        self.identify(tenant, None)?;
        Ok(true)
    }

    /// Lets each tenant appear as its certificate says.
    pub(super) fn identify_tenants(&self) {
        let named = self.tenants().list();
        let ids = named
            .iter()
            .filter_map(|tenant| tenant.id.parse::<TenantId>().ok());
        for tenant in ids.chain([TenantId::default()]) {
            let Some(record) = self.client_certificates().get(&tenant, ID) else {
                continue;
            };
            if let Err(problem) = self.identify(&tenant, Some(record.identity())) {
                let why = problem.detail();
                tracing::error!(%tenant, why, "postrider.api.client_certificate_not_used");
            }
        }
    }
}
