/// An error as `application/problem+json` (RFC 9457). `code` is stable and for programs, `detail` is for people.
package struct APIProblem: Error, Hashable, Sendable, Codable, CustomStringConvertible {
    package var type: String
    package var title: String
    package var status: Int
    package var code: String
    package var detail: String

    package init(status: Int, code: String, title: String, detail: String) {
        self.type = "about:blank"
        self.title = title
        self.status = status
        self.code = code
        self.detail = detail
    }

    package static func badRequest(_ detail: String) -> APIProblem {
        APIProblem(status: 400, code: "bad-request", title: "The request is not understood", detail: detail)
    }
    package static func unauthorized(_ detail: String) -> APIProblem {
        APIProblem(status: 401, code: "unauthorized", title: "A valid token is needed", detail: detail)
    }
    package static func forbidden(_ detail: String) -> APIProblem {
        APIProblem(status: 403, code: "forbidden", title: "Not allowed", detail: detail)
    }
    package static func notFound(_ detail: String) -> APIProblem {
        APIProblem(status: 404, code: "not-found", title: "No such thing", detail: detail)
    }
    package static func conflict(_ detail: String) -> APIProblem {
        APIProblem(status: 409, code: "conflict", title: "In conflict with the current state", detail: detail)
    }
    package static func tooMany(_ detail: String) -> APIProblem {
        APIProblem(status: 429, code: "limit", title: "A limit is reached", detail: detail)
    }
    package static func internalError(_ detail: String) -> APIProblem {
        APIProblem(status: 500, code: "internal", title: "The server failed", detail: detail)
    }

    package var description: String { "\(title): \(detail)" }
}
