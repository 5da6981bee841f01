using Spectre.Console;

namespace Microsoft.ML.LoraInit.Samples.Output;

/// <summary>Where the program writes: people's output to the one stream, errors as one line to the other.</summary>
internal sealed class Terminal(IAnsiConsole console, TextWriter output, TextWriter error, bool live, Func<Stream>? input = null)
{
    public static Terminal System { get; } = new(
        AnsiConsole.Console, global::System.Console.Out, global::System.Console.Error, !global::System.Console.IsOutputRedirected && AnsiConsole.Profile.Capabilities.Interactive);

    public IAnsiConsole Console { get; } = console;

    /// <summary>Plain text, never wrapped or coloured.</summary>
    public TextWriter Output { get; } = output;

    public TextWriter Error { get; } = error;

    /// <summary>Whether lines may be redrawn in place.</summary>
    public bool Live { get; } = live;

    /// <summary>Columns that a line has; 80 where that is not known, as in a file.</summary>
    public int Width => Math.Clamp(Console.Profile.Width, 30, 400);

    /// <summary>Standard input.</summary>
    public Stream OpenInput() => input?.Invoke() ?? global::System.Console.OpenStandardInput();

    /// <summary>A heading.</summary>
    public void Heading(string text)
    {
        if (Live)
            Console.MarkupLine($"\n[bold]{Markup.Escape(text)}[/]");
        else
            Output.WriteLine($"\n{text}");
    }

    /// <summary>One clear line, whatever line breaks the message has.</summary>
    public void Fail(string message) =>
        Error.WriteLine("lorainit: " + string.Join(' ', message.Split(['\r', '\n'], StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)));
}
