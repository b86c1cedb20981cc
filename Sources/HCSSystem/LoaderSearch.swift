internal import Glibc

/// Where glibc's dynamic loader looks for a needed library (ld.so(8)). `/etc/ld.so.cache` is not read: the directories
/// it is made of are, from `/etc/ld.so.conf`. Of the CPU-specific directories (glibc-hwcaps) none is looked at: they
/// hold other builds of the same library.
package struct LoaderSearch: Sendable {
    /// A file that asks for libraries, with what the files that asked for it say.
    package struct Requester: Sendable {
        package var image: ELFImage
        /// DT_RPATH entries inherited from the files that led here, nearest first, already expanded.
        package var inherited: [String]

        package init(image: ELFImage, inherited: [String] = []) {
            self.image = image
            self.inherited = inherited
        }
    }

    private let root: HostRoot
    private let environment: [String]
    private let system: [String]

    /// - Parameter libraryPath: the value of `LD_LIBRARY_PATH`.
    package init(libraryPath: String?, root: HostRoot = .real) {
        self.root = root
        environment = libraryPath.map(Self.split) ?? []
        var seen: Set<String> = []
        system = (Self.configured(root) + Self.defaults).filter { seen.insert($0).inserted }
    }

    #if arch(arm64)
    private static let triplet = "aarch64-linux-gnu"
    private static let platform = "aarch64"
    #else
    private static let triplet = "x86_64-linux-gnu"
    private static let platform = "x86_64"
    #endif

    private static let defaults = [
        "/lib/\(triplet)", "/usr/lib/\(triplet)", "/lib64", "/usr/lib64", "/lib", "/usr/lib",
    ]

    /// Where it looks for a library by its name alone, with the cache: what changes there may be a new library.
    package var places: [String] { environment + (system + ["/etc/ld.so.cache"]).map(root.path) }

    /// The DT_RPATH directories of an image, expanded; none where it has a DT_RUNPATH, which switches them off.
    package func rpath(of image: ELFImage) -> [String] {
        image.runpath == nil ? directories(image.rpath, of: image) : []
    }

    /// The paths to try in order, none of them looked at yet.
    /// - Parameter isSecure: whether the program runs in secure execution, where `LD_LIBRARY_PATH` is ignored.
    package func candidates(for name: String, requester: Requester, isSecure: Bool) -> [String] {
        let image = requester.image
        if name.contains("/") { return expand(name, of: image).map { [$0] } ?? [] }
        var directories: [String] = []
        if image.runpath == nil { directories += rpath(of: image) + requester.inherited }
        if !isSecure { directories += environment }
        directories += self.directories(image.runpath, of: image)
        if !image.ignoresDefaultDirectories { directories += system.map(root.path) }
        return directories.map { "\($0)/\(name)" }
    }

    private func directories(_ list: String?, of image: ELFImage) -> [String] {
        list.map(Self.split)?.compactMap { expand($0, of: image) } ?? []
    }

    /// Replaces `$ORIGIN`, `$LIB` and `$PLATFORM`, with or without braces; nil for an entry with another `$`.
    private func expand(_ entry: String, of image: ELFImage) -> String? {
        guard entry.contains("$") else { return entry }
        let slash = image.path.lastIndex(of: "/")
        let origin = slash.map { $0 == image.path.startIndex ? "/" : String(image.path[..<$0]) } ?? "."
        var result = ""
        var rest = entry[...]
        while let mark = rest.firstIndex(of: "$") {
            result += rest[..<mark]
            rest = rest[rest.index(after: mark)...]
            let values = [("ORIGIN", origin), ("LIB", "lib/\(Self.triplet)"), ("PLATFORM", Self.platform)]
            guard
                let (word, value) = values.lazy.flatMap({ [($0.0, $0.1), ("{\($0.0)}", $0.1)] })
                    .first(where: { rest.hasPrefix($0.0) })
            else { return nil }
            result += value
            rest = rest.dropFirst(word.count)
        }
        return result + rest
    }

    /// An empty entry means the working directory; at most 256 entries count.
    private static func split(_ list: String) -> [String] {
        list.split(maxSplits: 256, omittingEmptySubsequences: false) { $0 == ":" || $0 == ";" }.prefix(256)
            .map { $0.isEmpty ? "." : String($0) }
    }

    /// `/etc/ld.so.conf` and what it includes. Only the last part of an include may have a `*`, as everywhere.
    private static func configured(_ root: HostRoot) -> [String] {
        var found: [String] = []
        var waiting = ["/etc/ld.so.conf"]
        var filesLeft = 256
        while !waiting.isEmpty, filesLeft > 0 {
            let path = waiting.removeFirst()
            filesLeft -= 1
            guard let text = try? SmallFile.text(root.path(path), limit: 64 << 10) else { continue }
            for line in text.split(separator: "\n") {
                let words = line.prefix { $0 != "#" }.split(whereSeparator: \.isWhitespace)
                if words.first == "include" {
                    waiting += words.dropFirst().flatMap { included(String($0), root) }
                } else if let directory = words.first, directory.hasPrefix("/") {
                    found.append(String(directory))
                }
            }
        }
        return found
    }

    private static func included(_ pattern: String, _ root: HostRoot) -> [String] {
        let absolute = pattern.hasPrefix("/") ? pattern : "/etc/\(pattern)"
        guard absolute.contains("*"), let slash = absolute.lastIndex(of: "/") else { return [absolute] }
        let directory = String(absolute[..<slash])
        let name = absolute[absolute.index(after: slash)...]
        return ((try? SmallFile.names(in: root.path(directory), limit: 1024)) ?? [])
            .filter { fnmatch(String(name), $0, 0) == 0 }.map { "\(directory)/\($0)" }
    }
}
