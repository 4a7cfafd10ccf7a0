//! The example's backend and app as processes, for `demo` and for the end-to-end tests.

use crate::process::{self, Service};
use crate::{build, node};
use anyhow::{Context, Result};
use std::net::TcpListener;
use std::process::Command;
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
    /// Starts in seconds and follows the sources.
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
    /// Builds the package, seeds the accounts, starts backend and app, waits until both answer. Port 0 takes a free one.
    pub fn start(project: &Project, mode: Mode, app_port: u16, backend_port: u16) -> Result<Example> {
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

        process::run(
            "demo accounts",
            Command::new("node")
                .arg("scripts/seed.mjs")
                .current_dir(&backend_dir)
                .envs(environment.clone())
                .env("SUPABASE_SERVICE_ROLE_KEY", &project.service_role_key),
        )?;
        if mode == Mode::Production {
            process::run("next build", backend(NEXT).arg("build"))?;
            process::run("vite build", app(VITE).arg("build"))?;
        }
        let (next, vite) = match mode {
            Mode::Development => ("dev", "dev"),
            Mode::Production => ("start", "preview"),
        };
        let mut backend = Service::start(
            "backend",
            backend(NEXT).args([next, "--hostname", "127.0.0.1"]).args(["--port", &backend_port.to_string()]),
        )?;
        let mut app = Service::start(
            "app",
            app(VITE).args([vite, "--host", "127.0.0.1", "--strictPort"]).args(["--port", &app_port.to_string()]),
        )?;
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
