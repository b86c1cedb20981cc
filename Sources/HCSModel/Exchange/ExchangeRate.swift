/// How many of one card's units another card's is worth for a class of work, and how that was made.
package struct ExchangeRate: Hashable, Sendable, Codable {
    /// One factor of the rate: the product of all is the rate.
    package struct Term: Hashable, Sendable, Codable {
        package enum Kind: String, Codable, Hashable, Sendable { case compute, bandwidth, observed, stated }

        package var kind: Kind
        /// In words, with the figures and their units.
        package var detail: String
        package var factor: Double

        package init(kind: Kind, detail: String, factor: Double) {
            self.kind = kind
            self.detail = detail
            self.factor = factor
        }
    }

    package enum Confidence: String, Codable, Hashable, Sendable { case high, medium, low, stated }

    package struct Source: Hashable, Sendable, Codable {
        package var card: String
        package var text: String

        package init(card: String, text: String) {
            self.card = card
            self.text = text
        }
    }

    package var from: String
    package var to: String
    package var workloadClass: WorkloadClass
    package var precision: Precision
    /// One `from` does the work of so many `to`.
    package var rate: Double
    /// Two thirds of such work should lie between these; both are the rate where an operator stated it directly.
    package var low: Double
    package var high: Double
    package var confidence: Confidence
    package var terms: [Term]
    package var sources: [Source]

    package init(
        from: String, to: String, workloadClass: WorkloadClass, precision: Precision, rate: Double, low: Double,
        high: Double, confidence: Confidence, terms: [Term], sources: [Source]
    ) {
        self.from = from
        self.to = to
        self.workloadClass = workloadClass
        self.precision = precision
        self.rate = rate
        self.low = low
        self.high = high
        self.confidence = confidence
        self.terms = terms
        self.sources = sources
    }
}

/// Why there is no rate: a figure nobody published, a card nobody knows. Never replaced by a guess.
package struct ExchangeUnknown: Error, Hashable, Sendable, Codable, CustomStringConvertible {
    package enum Code: String, Codable, Hashable, Sendable { case noFigure, unknownCard, ambiguousCard, badAmount }

    package var code: Code
    package var message: String

    package init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    package var description: String { message }
}
