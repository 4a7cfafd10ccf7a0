//! The example's backend and app as processes, for `demo` and for the end-to-end tests.

use crate::process::{self, Service};
use crate::{build, node, paths};
use anyhow::{Context, Result};
use std::net::TcpListener;
use std::time::Duration;

const ANSWERS_WITHIN: Duration = Duration::from_secs(120);

/// What the example has to know of a Supabase project.
pub struct Project {
    pub url: String,
    pub anon_key: String,
    pub service_role_key: String,
}

#[derive(Clone, Copy, PartialEq)]
pub enum Mode {
    /// Follows the sources, and is slower.
    Development,
    /// What one would deploy.
    Production,
}

pub struct Example {
    pub app: Service,
    pub backend: Service,
    pub app_port: u16,
    pub backend_port: u16,
}

impl Example {
    /// Builds the package, starts backend and app, waits until both answer. Port 0 takes a free one. A page that is given the
    /// demo accounts' one `password` signs them in at a click.
    pub fn start(
        project: &Project,
        mode: Mode,
        password: Option<&str>,
        app_port: u16,
        backend_port: u16,
    ) -> Result<Example> {
        build::package()?;
        let backend_dir = node::install("www-example/backend")?;
        let app_dir = node::install("www-example/app")?;
        let app_port = free_port(app_port)?;
        let backend_port = free_port(backend_port)?;

        let environment = [
            ("NEXT_PUBLIC_SUPABASE_URL", project.url.clone()),
            ("NEXT_PUBLIC_SUPABASE_ANON_KEY", project.anon_key.clone()),
            ("NEXT_PUBLIC_BACKEND_URL", format!("http://localhost:{backend_port}")),
            ("ALLOWED_ORIGINS", format!("http://localhost:{app_port},http://127.0.0.1:{app_port}")),
            ("NEXT_PUBLIC_DEMO_PASSWORD", password.unwrap_or_default().to_owned()),
            ("NEXT_TELEMETRY_DISABLED", "1".to_owned()),
        ];
        // The page's server has no business with the key that may do everything.
        let backend = |script: &str| {
            let mut command = node::program(&backend_dir, script);
            command.envs(environment.clone()).env("SUPABASE_SERVICE_ROLE_KEY", &project.service_role_key);
            command
        };
        let app = |script: &str| {
            let mut command = node::program(&app_dir, script);
            command.envs(environment.clone()).env_remove("SUPABASE_SERVICE_ROLE_KEY");
            command
        };
        const NEXT: &str = "next/dist/bin/next";
        const VITE: &str = "vite/bin/vite.js";

        // The page is built for this project: one that another demo or the tests serve meanwhile stays what it is.
        let page = paths::target().join("example").join(app_port.to_string());
        if mode == Mode::Production {
            process::run("next build", backend(NEXT).arg("build"))?;
            process::run("vite build", app(VITE).args(["build", "--emptyOutDir", "--outDir"]).arg(&page))?;
        }
        let (next, vite) = match mode {
            Mode::Development => ("dev", "dev"),
            Mode::Production => ("start", "preview"),
        };
        let mut backend = Service::start(
            "backend",
            backend(NEXT).args([next, "--hostname", "127.0.0.1"]).args(["--port", &backend_port.to_string()]),
        )?;
        let mut vite_serves = app(VITE);
        vite_serves.args([vite, "--host", "127.0.0.1", "--strictPort", "--port", &app_port.to_string()]);
        if mode == Mode::Production {
            vite_serves.arg("--outDir").arg(&page);
        }
        let mut app = Service::start("app", &mut vite_serves)?;
        app.wait_for(&format!("http://127.0.0.1:{app_port}/"), ANSWERS_WITHIN)?;
        // In development the first request compiles a route: better now than while a person waits.
        for path in ["/api/people", "/api/chat/token"] {
            backend.wait_for(&format!("http://127.0.0.1:{backend_port}{path}"), ANSWERS_WITHIN)?;
        }
        Ok(Example { app, backend, app_port, backend_port })
    }

    /// `host` is `localhost` or `127.0.0.1`: two cookie jars, so two people in one browser.
    pub fn app_url(&self, host: &str) -> String {
        format!("http://{host}:{}", self.app_port)
    }

    pub fn backend_url(&self) -> String {
        format!("http://localhost:{}", self.backend_port)
    }
}

fn free_port(wanted: u16) -> Result<u16> {
    let listener = TcpListener::bind(("127.0.0.1", wanted))
        .with_context(|| format!("port {wanted} is taken: name another one, or none to take a free one"))?;
    Ok(listener.local_addr()?.port())
}
