namespace Microsoft.ML.LoraInit.Glue;

/// <summary>The papers' hyper-parameters by task.</summary>
internal static class GlueRecipes
{
    private const string Base = "FacebookAI/roberta-base";
    private const string Large = "FacebookAI/roberta-large";

    // The scripts of microsoft/LoRA (examples/NLU) give --lora_alpha 16 and decay 0.1 where the paper's table gives alpha 8.
    private const string LoraBase = "LoRA, arXiv 2106.09685, Table 9; decay from microsoft/LoRA examples/NLU, whose scripts set alpha 16";
    private const string LoraLarge = "LoRA, arXiv 2106.09685, Table 9; decay from microsoft/LoRA examples/NLU";
    private const string FromMnli = "; started from the adapter trained on MNLI";
    private const string IniLora = "IniLoRA, arXiv 2510.03731, and its code xueyongfu11/IniLoRA; seeds 0, 11, 22, 33, 44";

    private static readonly string[] IniLoraTasks = ["cola", "mrpc", "qnli", "rte", "stsb", "sst2"];

    private static readonly Dictionary<string, (int Batch, int Epochs, double Rate)> OnBase = new()
    {
        ["mnli"] = (16, 30, 5e-4),
        ["sst2"] = (16, 60, 5e-4),
        ["mrpc"] = (16, 30, 4e-4),
        ["cola"] = (32, 80, 4e-4),
        ["qnli"] = (32, 25, 4e-4),
        ["qqp"] = (16, 25, 5e-4),
        ["rte"] = (32, 80, 5e-4),
        ["stsb"] = (16, 40, 4e-4),
    };

    private static readonly Dictionary<string, (int Batch, int Epochs, double Rate)> OnLarge = new()
    {
        ["mnli"] = (4, 10, 3e-4),
        ["sst2"] = (4, 10, 4e-4),
        ["mrpc"] = (4, 20, 3e-4),
        ["cola"] = (4, 20, 2e-4),
        ["qnli"] = (4, 10, 2e-4),
        ["qqp"] = (4, 20, 3e-4),
        ["rte"] = (8, 20, 4e-4),
        ["stsb"] = (8, 30, 2e-4),
    };

    /// <summary>What was published for a task; nothing for WNLI, which the papers leave out.</summary>
    public static IReadOnlyList<GlueRecipe> For(string task)
    {
        // Matched and mismatched MNLI differ in the dev set alone.
        var name = task.StartsWith("mnli", StringComparison.Ordinal) ? "mnli" : task;
        var start = name is "mrpc" or "rte" or "stsb" ? FromMnli : "";
        var recipes = new List<GlueRecipe>();
        if (OnBase.TryGetValue(name, out var b))
            recipes.Add(new(Base, 8, 8, b.Rate, b.Batch, b.Epochs, 0.06, 0.1, 512, LoraBase + start));
        if (OnLarge.TryGetValue(name, out var l))
            recipes.Add(new(Large, 8, 16, l.Rate, l.Batch, l.Epochs, 0.06, 0.1, null, LoraLarge + start));
        if (IniLoraTasks.Contains(name))
            recipes.Add(new(Base, 8, 8, 3e-4, 32, 100, 0.06, 0.01, 512, IniLora));
        return recipes;
    }
}
