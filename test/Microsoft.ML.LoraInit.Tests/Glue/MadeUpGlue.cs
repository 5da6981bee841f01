using System.Text;

namespace Microsoft.ML.LoraInit.Tests.Glue;

/// <summary>A few rows in the layouts of CoLA and RTE, written by a rule so that there is something to learn.</summary>
internal static class MadeUpGlue
{
    private static readonly string[] Subjects = ["The farmer", "A child", "My neighbour", "The old captain"];
    private static readonly string[] Verbs = ["paints", "carries", "sells", "counts"];
    private static readonly string[] Objects = ["the boat", "three apples", "a letter", "the lamps"];

    public static void Write(string folder)
    {
        Directory.CreateDirectory(Path.Combine(folder, "CoLA"));
        Directory.CreateDirectory(Path.Combine(folder, "RTE"));
        File.WriteAllText(Path.Combine(folder, "CoLA", "train.tsv"), Cola(48, 0));
        File.WriteAllText(Path.Combine(folder, "CoLA", "dev.tsv"), Cola(24, 1));
        File.WriteAllText(Path.Combine(folder, "RTE", "train.tsv"), Rte(48, 0));
        File.WriteAllText(Path.Combine(folder, "RTE", "dev.tsv"), Rte(24, 1));
    }

    /// <summary>MNLI in the layout that it is published in: 12 columns of the training rows, 16 of the dev rows.</summary>
    public static void WriteMnli(string folder)
    {
        Directory.CreateDirectory(Path.Combine(folder, "MNLI"));
        string[] start = ["index", "promptID", "pairID", "genre", "sentence1_binary_parse", "sentence2_binary_parse", "sentence1_parse", "sentence2_parse", "sentence1", "sentence2"];
        string Rows(int rows, int shift, string[] labels) => string.Join('\t', start.Concat(labels)) + "\n" + string.Concat(Enumerable.Range(0, rows).Select(i =>
        {
            var (s, v, o) = Words(7 * i + shift);
            var (second, label) = (i % 3) switch { 0 => ($"{s} {v} {o}.", "entailment"), 1 => ($"{s} never {v} {o}.", "contradiction"), _ => ($"{s} {v} well.", "neutral") };
            string[] cells = [$"{i}", "p", "q", "fiction", "( )", "( )", "( )", "( )", $"{s} {v} {o} at noon.", second, .. labels.Select(_ => label)];
            return string.Join('\t', cells) + "\n";
        }));
        File.WriteAllText(Path.Combine(folder, "MNLI", "train.tsv"), Rows(48, 0, ["label1", "gold_label"]));
        File.WriteAllText(Path.Combine(folder, "MNLI", "dev_matched.tsv"), Rows(24, 1, ["label1", "label2", "label3", "label4", "label5", "gold_label"]));
    }

    private static string Cola(int rows, int shift)
    {
        var text = new StringBuilder();
        for (var i = 0; i < rows; i++)
        {
            var (s, v, o) = Words(5 * i + shift);
            text.Append(i % 2 == 0 ? $"mu01\t1\t\t{s} {v} {o}.\n" : $"mu01\t0\t*\t{v} {o} {s}.\n");
        }
        return text.ToString();
    }

    private static string Rte(int rows, int shift)
    {
        var text = new StringBuilder("index\tsentence1\tsentence2\tlabel\n");
        for (var i = 0; i < rows; i++)
        {
            var (s, v, o) = Words(7 * i + shift);
            text.Append(i % 2 == 0 ? $"{i}\t{s} {v} {o} at noon.\t{s} {v} {o}.\tentailment\n" : $"{i}\t{s} {v} {o} at noon.\t{s} never {v} {o}.\tnot_entailment\n");
        }
        return text.ToString();
    }

    private static (string Subject, string Verb, string Object) Words(int i) =>
        (Subjects[i % Subjects.Length], Verbs[i / 4 % Verbs.Length], Objects[i / 16 % Objects.Length]);
}
