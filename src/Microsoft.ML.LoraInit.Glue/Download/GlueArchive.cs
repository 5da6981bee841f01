namespace Microsoft.ML.LoraInit.Glue.Download;

/// <summary>A file that a task's owners publish.</summary>
/// <param name="Uri">Where.</param>
/// <param name="Sha256">
/// Lower-case hexadecimal, as tensorflow/datasets records it (url_checksums/glue.txt, the same archives at their former
/// address); null where no record was found: the first download's is then kept beside the file and counts from there on.
/// </param>
internal sealed record GlueArchive(Uri Uri, string? Sha256)
{
    public string FileName => Path.GetFileName(Uri.LocalPath);
}

/// <summary>The official archives by the task's folder.</summary>
internal static class GlueArchives
{
    private const string Glue = "https://dl.fbaipublicfiles.com/glue/data/";
    private const string SentEval = "https://dl.fbaipublicfiles.com/senteval/senteval_data/";

    private static readonly Dictionary<string, GlueArchive[]> All = new()
    {
        ["CoLA"] = [Make(Glue + "CoLA.zip", "f212fcd832b8f7b435fb991f101abf89f96b933ab400603bf198960dfc32cbff")],
        ["SST-2"] = [Make(Glue + "SST-2.zip", "d67e16fb55739c1b32cdce9877596db1c127dc322d93c082281f64057c16deaa")],
        // MRPC comes as one file, and the list of the pairs in it that are the dev set.
        ["MRPC"] =
        [
            Make(SentEval + MrpcSplit.PairsFile, "60a9b09084528f0673eedee2b69cb941920f0b8cd0eeccefc464a98768457f89"),
            Make(Glue + MrpcSplit.DevIdsFile, "971d7767d81b997fd9060ade0ec23c4fc31cbb226a55d1bd4a1bac474eb81dc7"),
        ],
        ["STS-B"] = [Make(Glue + "STS-B.zip", "e60a6393de5a8b5b9bac5020a1554b54e3691f9d600b775bd131e613ac179c85")],
        ["QQP"] = [Make(Glue + "QQP-clean.zip", null)],
        ["MNLI"] = [Make(Glue + "MNLI.zip", "e7c1d896d26ed6caf700110645df426cc2d8ebf02a5ab743d5a5c68ac1c83633")],
        ["QNLI"] = [Make(Glue + "QNLIv2.zip", "e634e78627a29adaecd4f955359b22bf5e70f2cbd93b493f2d624138a0c0e5f5")],
        ["RTE"] = [Make(Glue + "RTE.zip", "6bf86de103ecd335f3441bd43574d23fef87ecc695977a63b82d5efb206556ee")],
        ["WNLI"] = [Make(Glue + "WNLI.zip", "ae0e8e4d16f4d46d4a0a566ec7ecceccfd3fbfaa4a7a4b4e02848c0f2561ac46")],
    };

    public static IReadOnlyList<GlueArchive> For(GlueTask task) => All[task.Folder];

    private static GlueArchive Make(string uri, string? sha256) => new(new Uri(uri), sha256);
}
