/// Where this build put what `make -C CSources` made. For tests and the demo only: an installed HCS finds its files by
/// configuration. `NativeArtifactsPath` is written by make.
package enum NativeArtifacts {
    package static var directory: String { NativeArtifactsPath.directory }

    /// The preload library.
    package static var interceptor: String { directory + "/libhcs_interceptor.so" }

    /// A directory for `LD_LIBRARY_PATH`: the vendors' libraries under their real names.
    package static var simulatedLibraries: String { directory + "/simulated" }

    /// A directory of `hcs-client-{cuda,acl,hip,cnrt}`.
    package static var clients: String { directory + "/clients" }

    /// The process between the agent and a workload.
    package static var shim: String { directory + "/hcs-shim" }
}
