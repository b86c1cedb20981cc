/// Names of hosts in a cluster: 1 to 63 of a-z 0-9 - . and a letter or digit first. They become path segments and labels.
package enum NodeName {
    package static let rule = "must be 1 to 63 of a-z 0-9 - . and start with a letter or digit"

    package static func isValid(_ name: String) -> Bool {
        guard (1...63).contains(name.utf8.count), let first = name.first, first != "-", first != "." else {
            return false
        }
        return name.utf8.allSatisfy {
            (0x61...0x7a).contains($0) || (0x30...0x39).contains($0) || $0 == UInt8(ascii: "-")
                || $0 == UInt8(ascii: ".")
        }
    }
}
