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
