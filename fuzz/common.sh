# What fuzz/run and fuzz/coverage share; they source it in the repository's root.

# The targets that are named, or all of them.
# shellcheck disable=SC2034
choose_targets() {
    local all target
    mapfile -t all < <(cd fuzz/targets && printf '%s\n' *.rs | sed 's/\.rs$//')
    targets=("$@")
    ((${#targets[@]})) || targets=("${all[@]}")
    for target in "${targets[@]}"; do
        if [[ ! -f fuzz/targets/$target.rs ]]; then
            echo "there is no target '$target': choose from ${all[*]}" >&2
            return 2
        fi
    done
}

# build WRAPPER FOLDER FLAG…: the chosen targets' programs, the workspace's crates compiled by fuzz/rustc/WRAPPER. They get
# names of their own, so that another build does not replace them while they run.
build() {
    local wrapper=$PWD/fuzz/rustc/$1 folder=$2 target bins=()
    shift 2
    for target in "${targets[@]}"; do
        bins+=(--bin "$target")
    done
    # Caches of compilers do not know the wrapper.
    env --unset=RUSTC_WRAPPER RUSTC_WORKSPACE_WRAPPER="$wrapper" CARGO_INCREMENTAL=0 \
        cargo build --locked --package cluster-fuzz "${bins[@]}" "$@"
    mkdir -p "$folder"
    for target in "${targets[@]}"; do
        # A target folder on another file system has to be copied from.
        ln -f "${CARGO_TARGET_DIR:-target}/debug/$target" "$folder/$target" 2>/dev/null ||
            cp "${CARGO_TARGET_DIR:-target}/debug/$target" "$folder/$target"
    done
}
