using System.CommandLine;
using Microsoft.ML.LoraInit.Samples.Glue.Recipes;
using Microsoft.ML.LoraInit.Samples.Output;

namespace Microsoft.ML.LoraInit.Samples.Glue.Commands;

/// <summary><c>glue recipe</c>: lists the recipes, or prints one.</summary>
internal static class RecipeCommand
{
    public static CliCommand Create(Terminal terminal)
    {
        var name = new Argument<string?>("NAME") { Description = "The recipe to print; none for a list.", Arity = ArgumentArity.ZeroOrOne };
        var command = new CliCommand("recipe", "List the published experiments that 'glue --recipe' runs, or print one, to start a file of your own from.") { name };
        command.SetAction(result =>
        {
            if (result.GetValue(name) is { } one)
                terminal.Output.WriteLine(RecipeFiles.Text(one).TrimEnd());
            else
                foreach (var recipe in RecipeFiles.Names.Select(RecipeFiles.Read))
                    terminal.Output.WriteLine($"{recipe.Name,-22}{recipe.Title}");
            return ExitCodes.Success;
        });
        return command;
    }
}
