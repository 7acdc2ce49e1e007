import Diagnostics
import Hub
import Testing

@Suite struct HubErrorTests {
  private static let model = "owner/tiny@v1", endpoint = "https://hub", cache = "/cache"

  static let sentences: [(HubError, String, Diagnostics.ExitStatus)] = [
    (
      .unauthorized(model: model, endpoint: endpoint, hasToken: true),
      "owner/tiny@v1: https://hub answers 401: invalid token (HF_TOKEN or \"hf auth login\")", .missingInput
    ),
    (
      .unauthorized(model: model, endpoint: endpoint, hasToken: false),
      "owner/tiny@v1: https://hub answers 401: no such model, or it is private (then set HF_TOKEN)", .missingInput
    ),
    (
      .forbidden(model: model, endpoint: endpoint, hasToken: true, reason: "Gated."),
      "owner/tiny@v1: https://hub answers 403: Gated.; request access on https://hub/owner/tiny, or use a token that "
        + "has access", .missingInput
    ),
    (
      .forbidden(model: model, endpoint: endpoint, hasToken: false, reason: nil),
      "owner/tiny@v1: https://hub answers 403: request access on https://hub/owner/tiny and set HF_TOKEN",
      .missingInput
    ),
    (
      .noModel(model: model, endpoint: endpoint), "owner/tiny@v1: https://hub has no such model (404)", .missingInput
    ),
    (
      .noRevision(model: "owner/tiny", revision: "v1", endpoint: endpoint),
      "owner/tiny: no revision v1 on https://hub (404)", .missingInput
    ),
    (.noFile(model: model, file: "config.json"), "owner/tiny@v1: no config.json on the Hub (404)", .missingInput),
    (
      .offline(model: model, cache: cache, missing: nil),
      "owner/tiny@v1: HF_HUB_OFFLINE is set, and it is not in the cache /cache", .missingInput
    ),
    (
      .offline(model: model, cache: cache, missing: "config.json"),
      "owner/tiny@v1: HF_HUB_OFFLINE is set, and its copy in the cache /cache lacks config.json", .missingInput
    ),
    (
      .notCached(model: model, cache: cache, missing: nil),
      "owner/tiny@v1: no such directory, and it is not in the cache /cache; run \"swift-peft download owner/tiny@v1\" "
        + "first", .missingInput
    ),
    (.unreachable(url: "https://hub/x", reason: "timed out"), "https://hub/x: no answer: timed out", .ioError),
    (.status(url: "https://hub/x", status: 503), "https://hub/x: the server answers 503", .ioError),
    (
      .notAHub(url: "https://hub/x", reason: "too many redirections"),
      "https://hub/x: not a Hugging Face Hub: too many redirections", .ioError
    ),
    (
      .wrongChecksum(file: "owner/tiny/a", found: "00", expected: "11"),
      "owner/tiny/a: the download is damaged: SHA-256 00, expected 11; it has been deleted, try again", .ioError
    ),
    (
      .wrongSize(file: "owner/tiny/a", found: 1, expected: 2),
      "owner/tiny/a: the download is damaged: 1 bytes, expected 2; it has been deleted, try again", .ioError
    ),
    (
      .noSafetensors(model: model, found: "pytorch_model.bin"),
      "owner/tiny@v1: no model.safetensors, only pytorch_model.bin, which is not supported", .badInput
    ),
    (.noSafetensors(model: model, found: nil), "owner/tiny@v1: no model.safetensors", .badInput),
    (
      .noTokenizer(model: model), "owner/tiny@v1: no tokenizer.json, vocab.txt, or vocab.json with merges.txt",
      .badInput
    ),
    (.cache(path: "/cache/x", reason: "No space left on device"), "/cache/x: No space left on device", .cannotCreate),
  ]

  @Test(arguments: sentences)
  func saysWhatIsWrong(error: HubError, sentence: String, status: Diagnostics.ExitStatus) {
    #expect(error.description == sentence)
    #expect(error.exitStatus == status)
  }
}
