/// What the tidy tests read from Package.swift, by its own text: asking the package manager would wait for its lock.
struct Manifest {
    let code: String

    init() throws { code = SwiftSource(try Checkout.text("Package.swift")).code }

    /// Names of the dependencies of a target of `Sources/`: modules, products of other packages, and the manifest's own
    /// names for products. nil when there is no such target.
    func dependencies(of target: String) -> [String]? {
        for opening in ["module(", "module(\n", "program(", ".target(\n            name: "] {
            for start in code.ranges(of: opening) {
                let call = body(from: start.lowerBound)
                guard let name = strings(call).first, name == target else { continue }
                return names(in: call, target: target)
            }
        }
        return nil
    }

    /// Addresses of the packages this one depends on.
    var packages: [String] {
        code.ranges(of: ".package(url:").compactMap { strings(code[$0.upperBound...].prefix(200)).first }
    }

    /// The text of the call that starts at `start`, from its first parenthesis to the matching one.
    private func body(from start: String.Index) -> Substring {
        var depth = 0
        var index = start
        while index < code.endIndex {
            switch code[index] {
            case "(": depth += 1
            case ")":
                depth -= 1
                if depth == 0 { return code[start...index] }
            default: break
            }
            index = code.index(after: index)
        }
        return code[start...]
    }

    private func strings(_ text: Substring) -> [String] {
        text.split(separator: "\"", omittingEmptySubsequences: false).enumerated().filter { $0.offset % 2 == 1 }
            .map { String($0.element) }
    }

    private func names(in call: Substring, target: String) -> [String] {
        // Resources and plugins come after the dependencies.
        var text = call
        for word in ["resources:", "plugins:", "swiftSettings:"] {
            if let range = text.firstRange(of: word) { text = text[..<range.lowerBound] }
        }
        var names = Array(strings(text).dropFirst())
        // `.product(name: "X", package: "y")`: the product counts, not the package.
        for range in text.ranges(of: "package: \"") {
            if let package = strings(text[range.lowerBound...]).first, let index = names.firstIndex(of: package) {
                names.remove(at: index)
            }
        }
        let variables = ["logging", "argumentParser", "asyncHTTPClient", "nio", "httpTypes", "server"]
        let words = text.split(whereSeparator: { !($0.isLetter || $0.isNumber) }).map(String.init)
        let quoted = Set(
            strings(text).flatMap { $0.split(whereSeparator: { !($0.isLetter || $0.isNumber) }).map(String.init) })
        return names + variables.filter { words.contains($0) && !quoted.contains($0) }
    }
}
