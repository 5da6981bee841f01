using Microsoft.ML.LoraInit.MadeUp;
using Microsoft.ML.LoraInit.Tests.Glue;
using Microsoft.ML.LoraInit.Tests.Samples;

namespace Microsoft.ML.LoraInit.Tests.Docs;

/// <summary>What the reader of a page has in the folder before its first command, in small.</summary>
internal static class ReadersFiles
{
    private static readonly string[] Labels = ["billing", "urgent", "billing|urgent", ""];

    private static readonly Dictionary<string, Func<TemporaryFolder, Task>> OfPages = new()
    {
        ["README.md"] = async folder =>
        {
            Mrpc(folder, "MRPC/train.tsv", "MRPC/dev.tsv");
            Rows(folder, "requests.tsv");
            await Model(folder, "support-intents.mlnet");
        },
        ["docs/adapters.md"] = folder => Model(folder, "one.mlnet", "two.mlnet"),
        ["docs/command-line.md"] = folder =>
        {
            BankingIntents.WriteCsv(folder.File("banking.csv"), 154, seed: 0);
            File.WriteAllText(folder.File("settings.json"), DocPages.Blocks("docs/command-line.md").First(b => b.Language == "json").Text);
            return Task.CompletedTask;
        },
        ["docs/embeddings.md"] = async folder =>
        {
            Rows(folder, "texts.tsv");
            await Model(folder, "intents.mlnet");
        },
        ["docs/glue.md"] = folder => Task.Run(() => MadeUpGlue.Write(folder.File("data"))),
        ["docs/hosting.md"] = async folder =>
        {
            Rows(folder, "rows.tsv");
            await Model(folder, "m.mlnet");
        },
        ["docs/languages.md"] = folder => Task.Run(() => Rows(folder, "reviews.de.tsv", "reviews.fr.tsv")),
        ["docs/methods.md"] = folder => Task.Run(() =>
        {
            Rows(folder, "rows.tsv", "topics.tsv", "urgency.tsv");
            MadeUpGlue.Write(folder.File("data"));
        }),
        ["docs/onnx.md"] = async folder =>
        {
            Rows(folder, "dev.tsv");
            await Model(folder, "m.mlnet");
        },
        ["docs/peft.md"] = folder => Model(folder, "m.mlnet"),
        ["docs/start.md"] = folder => Task.Run(() =>
        {
            BankingIntents.WriteCsv(folder.File("requests.csv"), 154, seed: 0);
            BankingIntents.WriteCsv(folder.File("test.csv"), 77, seed: 1);
        }),
        ["docs/tasks.md"] = folder => Task.Run(() =>
        {
            foreach (var (name, rows) in new[] { ("train.csv", 154), ("validation.csv", 100), ("test.csv", 77) })
                BankingIntents.WriteCsv(folder.File(name), rows, seed: rows);
            foreach (var name in (string[])["tickets.tsv", "more.tsv"])
                File.WriteAllLines(folder.File(name), ["Text\tLabel", .. Enumerable.Range(0, 16).Select(i => $"ticket {i} of {i % 4}\t{Labels[i % 4]}")]);
        }),
        ["src/Samples/PACKAGE.md"] = folder => Task.Run(() =>
        {
            foreach (var name in (string[])["train.tsv", "dev.tsv"])
                File.WriteAllLines(folder.File(name), ["sentence\tlabel", .. Enumerable.Range(0, 16).Select(i => $"a {(i % 2 == 0 ? "joy" : "bore")} from start to end {i}\t{i % 2}")]);
        }),
    };

    public static Task Write(string page, TemporaryFolder folder) => OfPages.TryGetValue(page, out var write) ? write(folder) : Task.CompletedTask;

    // Yes or no, which may be of one class or the other, true or false.
    private static void Rows(TemporaryFolder folder, params string[] names)
    {
        foreach (var name in names)
            File.WriteAllLines(folder.File(name), ["Text\tLabel", .. Enumerable.Range(0, 16).Select(i => i % 2 == 0 ? $"good {i}\ttrue" : $"a bad, bad thing {i}\tfalse")]);
    }

    private static void Mrpc(TemporaryFolder folder, params string[] names)
    {
        foreach (var name in names)
        {
            Directory.CreateDirectory(Path.GetDirectoryName(folder.File(name))!);
            File.WriteAllLines(folder.File(name), ["Quality\t#1 ID\t#2 ID\t#1 String\t#2 String", .. Enumerable.Range(0, 16).Select(i => $"{i % 2}\t{i}\t{i}\tHe bought {i}.\tIt was {(i % 2 == 0 ? "sold" : "bought")} by him.")]);
        }
    }

    // Of two classes, trained once and copied.
    private static async Task Model(TemporaryFolder folder, params string[] names)
    {
        Rows(folder, "trained.tsv");
        var run = await CommandLineRun.InProcess("train", "--train", folder.File("trained.tsv"), "--kind", "multiclass", "--epochs", "1", "--max-length", "24", "--model", folder.File(names[0]));
        Assert.AreEqual(0, run.ExitCode, string.Join('\n', run.Errors));
        foreach (var name in names.Skip(1))
            File.Copy(folder.File(names[0]), folder.File(name));
    }
}
