//! Sign-on by a proxy in front (contract rest.md 2.6): a shared secret, a user header, roles. What 4.9 only reported is
//! enforced here: without the admin role a user may read and nothing else.

use super::digest::same_secret;
use crate::config::ProxyAuth;
use crate::http::Call;

/// Who the proxy says is asking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedOn {
    pub user: String,
    pub admin: bool,
}

const MOST_USER: usize = 128;

/// The proxy's word, when the request carries its secret.
pub fn signed_on(proxy: &ProxyAuth, call: &Call) -> Option<SignedOn> {
    let given = call.header("x-proxy-secret")?;
    if proxy.secret.is_empty() || !same_secret(given, proxy.secret.expose()) {
        return None;
    }
    let user = if proxy.user_header.is_empty() {
        ""
    } else {
        call.header(&proxy.user_header).map(str::trim).filter(|user| !user.is_empty())?
    };
    Some(SignedOn {
        user: user.chars().filter(|c| !c.is_control()).take(MOST_USER).collect(),
        admin: is_admin(proxy, call),
    })
}

/// With a role header configured the admin role must be in it; without one everybody whom the proxy lets in is admin.
/// (4.9 made users without any role admins.)
fn is_admin(proxy: &ProxyAuth, call: &Call) -> bool {
    if proxy.role_header.is_empty() {
        return true;
    }
    let roles = call.header(&proxy.role_header).unwrap_or("");
    roles.split(proxy.role_separator.as_str()).any(|role| !role.trim().is_empty() && role.trim() == proxy.admin_role)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Secret;
    use crate::http::Method;

    fn proxy() -> ProxyAuth {
        ProxyAuth {
            secret: Secret::new("s3cret"),
            user_header: "X-User".into(),
            role_header: "X-Roles".into(),
            role_separator: "|".into(),
            admin_role: "admin".into(),
            logout_url: String::new(),
        }
    }

    fn ask(proxy: &ProxyAuth, headers: &[(&str, &str)]) -> Option<SignedOn> {
        let headers = headers.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        signed_on(proxy, &Call::new(Method::Get, "/", headers, vec![], [127, 0, 0, 1].into(), false))
    }

    #[test]
    fn only_the_secret_makes_the_headers_count() {
        let p = proxy();
        assert_eq!(ask(&p, &[("X-User", "anna"), ("X-Roles", "admin")]), None);
        assert_eq!(ask(&p, &[("X-Proxy-Secret", "s3cre"), ("X-User", "anna")]), None);
        assert_eq!(ask(&p, &[("X-Proxy-Secret", "s3cret")]), None, "a user is demanded");
        assert_eq!(ask(&ProxyAuth::default(), &[("X-Proxy-Secret", "")]), None);
        let anna = ask(&p, &[("x-proxy-secret", "s3cret"), ("x-user", "anna"), ("x-roles", "user | admin")]).unwrap();
        assert_eq!((anna.user.as_str(), anna.admin), ("anna", true));
    }

    #[test]
    fn without_the_admin_role_nobody_is_admin() {
        let p = proxy();
        for roles in [&[][..], &[("X-Roles", "")], &[("X-Roles", "user|administrator")]] {
            let headers = [&[("X-Proxy-Secret", "s3cret"), ("X-User", "bob")][..], roles].concat();
            assert!(!ask(&p, &headers).unwrap().admin, "{roles:?}");
        }
        let everyone = ProxyAuth { role_header: String::new(), ..proxy() };
        assert!(ask(&everyone, &[("X-Proxy-Secret", "s3cret"), ("X-User", "bob")]).unwrap().admin);
    }
}
