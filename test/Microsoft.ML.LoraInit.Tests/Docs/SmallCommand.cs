using Microsoft.ML.LoraInit.Tests.Samples;

namespace Microsoft.ML.LoraInit.Tests.Docs;

/// <summary>
/// A printed command made small, and run in this process: the files that it names are those of a folder; it trains one epoch on short rows; a
/// model of the hub is the embedded one; of a grid's lists the first entry counts; … stands for the rows that a page left out; what is
/// optional is taken, and the first of two alternatives. Everything else is as printed.
/// </summary>
internal sealed class SmallCommand(TemporaryFolder folder)
{
    private static readonly string[] Paths =
        ["--train", "--validation", "--model", "--json", "--html", "--tensorboard", "--input", "--output", "--data", "--out", "--adapter", "--config", "--data-dir", "--checkpoint-dir", "--peers"];

    private const string Fusion = "fusion:sources=";

    private static readonly string[] Lists = ["--tasks", "--inits", "--methods", "--learning-rates", "--seeds", "--ranks", "--alphas"];

    private static readonly Dictionary<string, string> LeftOut = new()
    {
        ["train"] = "--train rows.tsv --kind multiclass --batch-size 8 --model m.mlnet",
        ["glue"] = "--data-dir data --tasks cola --learning-rates 1e-3 --seeds 0 --epochs 1 --out small-grid",
    };

    /// <summary>Epochs and lengths of rows are the printed ones. Default: false.</summary>
    public bool TrainsAsPrinted { get; init; }

    /// <summary>Runs it, once for each part where it writes one of several; it has to end well.</summary>
    public async Task<CommandLineRun> Run(DocCommand command)
    {
        var parts = command.Arguments!.Split(" < ");
        var arguments = Arguments(parts[0]);
        var input = parts.Length > 1 ? File.ReadAllText(folder.File(parts[1].Trim())) : "";
        CommandLineRun run = null!;
        foreach (var words in Shards(arguments))
        {
            run = await CommandLineRun.InProcess(words, CancellationToken.None, input);
            Assert.AreEqual(0, run.ExitCode, $"{command.Page}: {command.Text}\nran as: {string.Join(' ', words)}\n{string.Join('\n', run.Errors)}");
        }
        return run;
    }

    /// <summary>The words that are understood, before they are made small: what <see cref="DocumentedCommandTests"/> parses.</summary>
    public static string[] AsPrinted(string arguments)
    {
        var verb = arguments.Split(' ')[0];
        arguments = arguments.Split(" < ")[0].Split(" | ")[0].Replace("…", LeftOut.GetValueOrDefault(verb), StringComparison.Ordinal);
        return DocCommands.Words(arguments.Replace("[", "", StringComparison.Ordinal).Replace("]", "", StringComparison.Ordinal).Replace("--rank R", "--rank 4", StringComparison.Ordinal));
    }

    private string[] Arguments(string text)
    {
        List<string> words = [.. AsPrinted(text)];
        var verb = words.FirstOrDefault() ?? "";
        var option = words is ["glue", "merge" or "report", ..] ? "--out" : "";
        for (int i = 0; i < words.Count; i++)
        {
            if (words[i].StartsWith("--", StringComparison.Ordinal))
                option = words[i];
            else if (i > (verb == "glue" ? 1 : 0))
                words[i] = Small(option, words[i]);
        }
        if (TrainsAsPrinted)
            return [.. words];
        if (verb is "train" or "")
            words.AddRange(words.Contains("--epochs") || words.Contains("--config") ? [] : ["--epochs", "1"]);
        if (verb == "train" && !words.Contains("--config"))
            words.AddRange(words.Contains("--max-length") ? [] : ["--max-length", "24"]);
        return [.. words];
    }

    private string Small(string option, string word) => option switch
    {
        _ when Paths.Contains(option) => word == "-" ? word : folder.File(word),
        "--epochs" when !TrainsAsPrinted => "1",
        "--base-model" => "mini",
        "--tasks" => "cola",
        _ when Lists.Contains(option) => word.Split(word.Contains(';', StringComparison.Ordinal) ? ';' : ',')[0],
        // The saved models that a method names.
        "--method" when word.StartsWith(Fusion, StringComparison.Ordinal) => Fusion + string.Join('+', word[Fusion.Length..].Split('+').Select(p => folder.File(p))),
        _ => word,
    };

    // One line stands for all of its parts, "0/8 … 7/8".
    private static IEnumerable<string[]> Shards(string[] arguments)
    {
        int at = Array.IndexOf(arguments, "--shard") + 1;
        if (at == 0)
            return [arguments];
        int count = int.Parse(arguments[at].Split('/')[1], System.Globalization.CultureInfo.InvariantCulture);
        return Enumerable.Range(0, count).Select(i => arguments.Select((w, j) => j == at ? $"{i}/{count}" : w).ToArray());
    }
}
