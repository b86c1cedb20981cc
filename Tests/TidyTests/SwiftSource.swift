/// As much of a Swift file as the tidy tests need: its imports, and its text without comments.
struct SwiftSource {
    let code: String

    init(_ text: String) { code = Self.withoutComments(text) }

    /// Module names of all import declarations, whatever access or attribute stands before and kind behind.
    var imports: Set<String> {
        var modules: Set<String> = []
        for line in code.split(separator: "\n") {
            let words = line.split(whereSeparator: { $0 == " " || $0 == "\t" || $0 == ";" })
            guard let keyword = words.firstIndex(of: "import"), keyword + 1 < words.count else { continue }
            let modifiers: Set<Substring> = ["package", "internal", "private", "fileprivate", "public"]
            guard words[..<keyword].allSatisfy({ modifiers.contains($0) || $0.hasPrefix("@") }) else { continue }
            let kinds: Set<Substring> = ["struct", "class", "enum", "protocol", "func", "var", "let", "typealias"]
            var name = keyword + 1
            if kinds.contains(words[name]), name + 1 < words.count { name += 1 }
            if let module = words[name].split(separator: ".").first { modules.insert(String(module)) }
        }
        return modules
    }

    /// Whether `word` stands in the code with no letter, digit or underscore touching its own letters.
    func contains(word: String) -> Bool {
        func isName(_ character: Character?) -> Bool {
            character.map { $0.isLetter || $0.isNumber || $0 == "_" } ?? false
        }
        var rest = code[...]
        while let range = rest.firstRange(of: word) {
            let before = range.lowerBound == code.startIndex ? nil : code[code.index(before: range.lowerBound)]
            let after = range.upperBound == code.endIndex ? nil : code[range.upperBound]
            if !(isName(word.first) && isName(before)), !(isName(word.last) && isName(after)) { return true }
            rest = code[range.upperBound...]
        }
        return false
    }

    /// Drops line and block comments; knows strings well enough not to take `//` in a URL for one.
    private static func withoutComments(_ text: String) -> String {
        var result = ""
        var depth = 0
        var inString = false
        var characters = Array(text)[...]
        while let character = characters.popFirst() {
            let next = characters.first
            if depth > 0 {
                if character == "*", next == "/" {
                    depth -= 1; characters.removeFirst()
                } else if character == "/", next == "*" {
                    depth += 1; characters.removeFirst()
                } else if character == "\n" {
                    result.append(character)
                }
            } else if inString {
                result.append(character)
                if character == "\\", let next {
                    result.append(next); characters.removeFirst()
                } else if character == "\"" || character == "\n" {
                    inString = false
                }
            } else if character == "/", next == "/" {
                while let first = characters.first, first != "\n" { characters.removeFirst() }
            } else if character == "/", next == "*" {
                depth = 1
                characters.removeFirst()
            } else {
                if character == "\"" { inString = true }
                result.append(character)
            }
        }
        return result
    }
}
