import HCSModel
package import HCSSystem

/// Where a vendor's library is looked for.
package enum LibrarySearch: Sendable, Hashable {
    /// The loader first (LD_LIBRARY_PATH, its cache), then the vendor's own places.
    case host
    /// This directory and nothing else: a simulated source must never end up with the host's real library.
    case directory(String)
}

extension LibrarySearch {
    /// Opens the first of `names` there is.
    /// - Parameters:
    ///   - names: sonames, best first.
    ///   - paths: absolute paths, tried after the names.
    /// - Returns: the library and the name or path it was opened by.
    /// - Throws: `libraryMissing`: "libnvidia-ml.so.1: not found"; `libraryBroken`: what the loader says about a file that
    ///   is there.
    package func open(
        names: [String], paths: [String], _ binding: DynamicLibrary.Binding = .nowLocal
    ) throws(DeviceError) -> DynamicLibrary {
        let candidates =
            switch self {
            case .host: names + paths
            case .directory(let directory): names.map { "\(directory)/\($0)" }
            }
        var broken: String?
        for candidate in candidates {
            do {
                return try DynamicLibrary(candidate, binding)
            } catch {
                // A damaged copy does not hide a good one further on, but it is the better reason if none follows.
                if error.code != .notFound, broken == nil { broken = error.message }
            }
        }
        let place = if case .directory(let directory) = self { " in \(directory)" } else { "" }
        let name = names.first ?? "library"
        if let broken {
            throw DeviceError(
                .libraryBroken, PrintableText.clean(broken, limit: 512) ?? "\(name)\(place) cannot be loaded")
        }
        throw DeviceError(.libraryMissing, "\(name): not found\(place)")
    }
}
