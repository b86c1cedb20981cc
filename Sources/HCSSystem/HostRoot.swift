/// Where /proc, /sys and /etc are looked for: the real root, or a recorded tree in tests.
package struct HostRoot: Hashable, Sendable {
    /// Without a trailing slash; empty is the real root.
    package let prefix: String

    package init(_ path: String = "/") {
        var trimmed = Substring(path)
        while trimmed.hasSuffix("/") { trimmed.removeLast() }
        prefix = String(trimmed)
    }

    package static let real = HostRoot()

    /// The place of an absolute path below this root.
    package func path(_ absolute: String) -> String { prefix + absolute }
}
