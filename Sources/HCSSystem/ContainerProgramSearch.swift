internal import Glibc
internal import HCSModel

/// Where a container runtime, or an addition to one, is looked for.
package struct ContainerProgramSearch: Hashable, Sendable {
    package var name: String
    /// File names, looked for in the usual directories, and absolute paths.
    package var programs: [String]
    package var sockets: [String]

    package init(_ name: String, programs: [String], sockets: [String] = []) {
        self.name = name
        self.programs = programs
        self.sockets = sockets
    }

    static let directories = ["/usr/bin", "/usr/local/bin", "/usr/sbin", "/usr/local/sbin", "/bin", "/opt/bin"]

    /// The runtimes' own default places; k3s carries a containerd of its own.
    package static let runtimes = [
        ContainerProgramSearch(
            "containerd", programs: ["containerd"],
            sockets: ["/run/containerd/containerd.sock", "/run/k3s/containerd/containerd.sock"]),
        ContainerProgramSearch("docker", programs: ["dockerd"], sockets: ["/run/docker.sock", "/var/run/docker.sock"]),
        ContainerProgramSearch("podman", programs: ["podman"], sockets: ["/run/podman/podman.sock"]),
        ContainerProgramSearch("cri-o", programs: ["crio"], sockets: ["/run/crio/crio.sock"]),
    ]

    func find(_ root: HostRoot) -> HostFacts.ContainerProgram? {
        let places = programs.flatMap { name in
            name.hasPrefix("/") ? [name] : Self.directories.map { "\($0)/\(name)" }
        }
        let program = places.first {
            Self.kind(root.path($0)) == S_IFREG && access(root.path($0), X_OK) == 0
        }
        let socket = sockets.first { Self.kind(root.path($0)) == S_IFSOCK }
        guard program != nil || socket != nil else { return nil }
        return HostFacts.ContainerProgram(name: name, program: program, socket: socket)
    }

    private static func kind(_ path: String) -> mode_t? {
        var status = stat()
        return stat(path, &status) == 0 ? status.st_mode & S_IFMT : nil
    }
}
