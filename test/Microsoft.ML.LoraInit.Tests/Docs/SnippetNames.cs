namespace Microsoft.ML.LoraInit.Tests.Docs;

/// <summary>What pages take as given before a block of code begins: names that their text or an earlier block has introduced.</summary>
internal static class SnippetNames
{
    // On every page: the context, rows, a trained model, options being filled in, and the two ends of a prediction.
    private const string Everywhere = """
        public static MLContext ml = null!;
        public static IDataView rows = null!, train = null!, test = null!, validation = null!;
        public static DataViewSchema schema = null!;
        public static LoraTextTransformer model = null!;
        public static LoraTextClassificationTrainer.Options options = null!;
        """;

    private const string Types = """
        namespace Given
        {
            public class Review { public string Text { get; set; } = ""; }
            public class Prediction { public string PredictedLabel { get; set; } = ""; public float[] Score { get; set; } = []; }
            public class Request : Review; public class Row : Review; public class Answer : Prediction;
        }
        """;

    private static readonly Dictionary<string, string> OfPages = new()
    {
        // "One base with many adapters": a pipeline as in the README, a model trained again, and the library of the first block.
        ["docs/adapters.md"] = "public static IEstimator<LoraTextTransformer> pipeline = null!; public static LoraTextTransformer retrained = null!; public static AdapterLibrary library = null!;",
        ["docs/embeddings.md"] = "public static RobertaCheckpoint checkpoint = null!; public static IReadOnlyList<string> texts = null!;",
        // A web program's two.
        ["docs/hosting.md"] = Web,
        ["src/Microsoft.ML.LoraInit.Hosting/PACKAGE.md"] = Web,
        // "Classes that arrive over time": a pipeline as in the README and two views of rows; "Fusing what models know": two trained models.
        ["docs/methods.md"] = "public static IEstimator<ITransformer> pipeline = null!; public static IDataView rowsOfJanuary = null!, rowsOfFebruary = null!; public static ITransformer topics = null!, urgency = null!; public static LoraTextTransformer fused = null!;",
        // The first block of "From text to ids".
        ["docs/onnx.md"] = "public static RobertaTextTokenizer tokenizer = null!; public static long[] inputIds = null!, attentionMask = null!; public static int length; public static IDataView data = null!;",
        // The second block goes on with the first.
        ["src/Microsoft.ML.LoraInit.Glue/PACKAGE.md"] = "public static GlueData data = null!;",
    };

    // The page's first block is in this namespace.
    private static readonly Dictionary<string, string> UsingsOfPages = new() { ["docs/own-strategy.md"] = "global using Microsoft.ML.LoraInit.Samples.Tasks;" };

    private const string Web = "public static Microsoft.AspNetCore.Builder.WebApplicationBuilder builder = null!; public static Microsoft.AspNetCore.Builder.WebApplication app = null!;";

    /// <summary>For a program: declarations that the page's code may hide.</summary>
    public static string Of(string page) => $$"""
        {{UsingsOfPages.GetValueOrDefault(page)}} global using Given; global using static Given.Common; global using static Given.Names;
        {{Types}}
        namespace Given
        {
            public static class Common { {{Everywhere}} }
            public static class Names { {{OfPages.GetValueOrDefault(page)}} }
        }
        """;

    /// <summary>For a cell of a notebook: what earlier cells declared.</summary>
    public static string CellOf(string page) => page == "src/Microsoft.ML.LoraInit.Interactive/PACKAGE.md" ? "TransformerChain<ITransformer> model = null!;" : "";
}
