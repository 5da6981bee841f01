using System.CommandLine;
using System.Text;
using Microsoft.ML.LoraInit.Samples.Output;
using Microsoft.ML.LoraInit.Samples.Pages.Run;

namespace Microsoft.ML.LoraInit.Samples.Commands;

/// <summary>The options of a run's page.</summary>
internal sealed class PageOptions
{
    private readonly Option<string?> _html = new("--html") { Description = "Write a page to this file: curves, what is taken for what, how sure the model is, the worst errors.", HelpName = "FILE" };
    private readonly Option<bool> _explain = new("--explain-errors") { Description = "Mark in the page's worst errors which words spoke for the answer; takes a while." };

    public PageOptions(CliCommand command)
    {
        command.Options.Add(_html);
        command.Options.Add(_explain);
    }

    /// <summary>Whether a page is asked for.</summary>
    /// <exception cref="UsageException">Its place cannot be written to, or there is no page to explain errors on.</exception>
    public bool Check(ParseResult result)
    {
        if (result.GetValue(_html) is { } path)
            OutputPlace.Check(path, _html.Name);
        else if (result.GetValue(_explain))
            throw new UsageException($"{_explain.Name} goes with {_html.Name}.");
        return result.GetValue(_html) is not null;
    }

    /// <summary>Writes the page, if one is asked for.</summary>
    /// <param name="result">The command line.</param>
    /// <param name="terminal">Told where it is.</param>
    /// <param name="model">What can explain; null where there is nothing that can.</param>
    /// <param name="facts">What the page is made of.</param>
    /// <exception cref="UsageException">Errors are to be explained and the model cannot.</exception>
    public void Write(ParseResult result, Terminal terminal, LoraTextTransformer? model, Func<RunFacts> facts)
    {
        if (result.GetValue(_html) is not { } path)
            return;
        var content = facts();
        if (result.GetValue(_explain))
        {
            if (model is null)
                throw new UsageException($"{_explain.Name}: the model has no part that this program trained, so that nothing can be explained.");
            content = content with { Explain = row => ErrorExplainer.Explain(model, row) };
        }
        AtomicFile.Write(path, stream => stream.Write(Encoding.UTF8.GetBytes(RunPage.Write(content))));
        terminal.Output.WriteLine($"Page written to {Path.GetFullPath(path)}.");
    }
}
