import HCSModel

/// Texts that people give with an order: they are shown to others, in terminals and in alerts.
enum FleetText {
    /// A node's name, or a device's UUID or its beginning.
    static func check(target: String) throws(ModelError) {
        guard (1...128).contains(target.utf8.count), target.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f }) else {
            throw ModelError(
                .badRequest, "target '\(target.prefix(40))' must be 1 to 128 printable ASCII characters without blanks")
        }
    }

    static func check(node: String?) throws(ModelError) {
        guard let node, !NodeName.isValid(node) else { return }
        throw ModelError(.badRequest, "node name '\(node.prefix(80))' \(NodeName.rule)")
    }

    static func check(_ field: String, _ text: String, atMost limit: Int) throws(ModelError) {
        guard (1...limit).contains(text.utf8.count), text.contains(where: { !$0.isWhitespace }) else {
            throw ModelError(.badRequest, "\(field) must be 1 to \(limit) bytes of text")
        }
        guard !text.unicodeScalars.contains(where: isControl) else {
            throw ModelError(.badRequest, "\(field) has a control character")
        }
    }

    /// Controls, line separators and what turns the direction of text.
    private static func isControl(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate, .privateUse, .unassigned: true
        default: false
        }
    }
}
