import HCSModel

/// Which library a worker opened and what it lacks: for `hcs doctor` and bug reports.
package struct SymbolReport: Hashable, Sendable {
    /// The name or path that was opened.
    package var library: String
    package var present: Int
    /// Names of the functions it does not export; the values they give are absent.
    package var missing: [String]

    package init(library: String, present: Int, missing: [String]) {
        self.library = library
        self.present = present
        self.missing = missing
    }

    package var json: JSONValue {
        JSONValue(fields: [
            ("library", .string(library)), ("present", JSONValue(present)),
            ("missing", .array(missing.map { .string($0) })),
        ])
    }

    package init?(json: JSONValue) {
        guard let library = json["library"]?.string.flatMap({ PrintableText.clean($0, limit: 4096) }),
            let present = json["present"]?.integer(Int.self), let missing = json["missing"]?.array
        else { return nil }
        self.init(
            library: library, present: present,
            missing: missing.prefix(256).compactMap { $0.string.flatMap { PrintableText.clean($0) } })
    }
}
